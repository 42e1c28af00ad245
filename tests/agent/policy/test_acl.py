"""A real mosquitto with the list that was written for it: everybody gets their grants, nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.config.load import load
from agent.core.errors import ConfigError
from agent.core.plan import Plan
from agent.policy.acl import access_list
from agent.uplink.client import connect
from agent.uplink.port import Call, Link, Packet
from tests.agent.uplink.kit import City, subscribed, until
from tests.peers import mosquitto as peer
from tests.peers.mosquitto import Mosquitto

LIBRARY = Path(__file__).parents[2] / "cases" / "policy" / "library"
BEFORE, AFTER = date(2027, 1, 1), date(2027, 7, 1)
BROKER = "broker.vaasa.example:8883"
ROOT = "citygate/1/vaasa/library/gw1"
USERS = ("library-gw1", "city", "uni", "town-hall-gw1")
DENIED = 0x87


def a_plan() -> Plan:
    return load(LIBRARY, today=BEFORE)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with peer.mosquitto(tmp_path, acl=access_list(a_plan(), BROKER, BEFORE)) as running:
        running.users = [(user, f"{user}-secret") for user in USERS]
        running.write_passwords()
        running.reload()
        yield running


@asynccontextmanager
async def gateway(broker: Mosquitto, user: str) -> AsyncIterator[Link]:
    call = Call(host="127.0.0.1", port=broker.port, client_id=user, username=user, password=f"{user}-secret")
    link = await connect(call)
    try:
        yield link
    finally:
        await link.leave()


async def told(link: Link, *topics: str) -> list[int]:
    return [await link.publish(Packet(topic=f"{ROOT}/{one}", body=b"x")) for one in topics]


def heard(city: City) -> set[str]:
    return {str(one.topic).removeprefix(f"{ROOT}/") for one in city.messages}


EVERYTHING = ("s", "l", "b/visitors", "b/visitors/2", "d/visitors", "b/energy", "d/energy", "d/secret")
HERS = {"b/visitors", "b/visitors/2", "d/visitors"}


async def test_each_recipient_receives_its_grants_and_nothing_else(broker: Mosquitto) -> None:
    login = {name: {"username": name, "password": f"{name}-secret"} for name in USERS}
    async with (
        subscribed(broker.port, **login["city"]) as city,
        subscribed(broker.port, **login["uni"]) as university,
        gateway(broker, "library-gw1") as link,
    ):
        reasons = await told(link, *EVERYTHING, "d/visitors")
        await until(lambda: len(university.messages) >= 4)
        await until(lambda: len(city.messages) >= 8)
        assert heard(city) == {"s", "l", *HERS, "b/energy", "d/energy"}
        assert heard(university) == HERS
    assert all(one < 0x80 for one in reasons)


async def test_another_gateways_subtree_and_its_orders_are_refused(broker: Mosquitto) -> None:
    async with gateway(broker, "library-gw1") as link:
        for topic in (
            "citygate/1/vaasa/library/gw2/d/visitors",
            "citygate/1/vaasa/town-hall/gw1/s",
            "citygate/1/espoo/library/gw1/d/visitors",
            f"{ROOT}/c/replay",
            f"{ROOT}/d/visitors/raw",
        ):
            assert await link.publish(Packet(topic=topic, body=b"x")) == DENIED, topic


@pytest.mark.parametrize("user", ["city", "uni", "town-hall-gw1"])
async def test_who_reads_cannot_write_in_the_gateways_name(broker: Mosquitto, user: str) -> None:
    async with gateway(broker, user) as link:
        assert await told(link, "s", "l", "b/visitors", "d/visitors") == [DENIED] * 4


async def test_a_reader_whose_grant_has_ended_hears_nothing_once_the_new_list_is_in_place(
    broker: Mosquitto,
) -> None:
    login = {name: {"username": name, "password": f"{name}-secret"} for name in USERS}
    broker.write_acl(access_list(a_plan(), BROKER, AFTER))
    broker.reload()
    async with (
        subscribed(broker.port, **login["city"]) as city,
        subscribed(broker.port, **login["uni"]) as university,
        gateway(broker, "library-gw1") as link,
    ):
        await told(link, *EVERYTHING)
        await until(lambda: len(city.messages) >= 7)
        assert university.messages == []


def test_a_gateway_that_logs_in_by_its_recipients_name_gets_no_list() -> None:
    plan = a_plan()
    city = replace(plan.recipients[0], username="city")
    with pytest.raises(ConfigError, match="a user name of its own"):
        access_list(replace(plan, recipients=(city, *plan.recipients[1:])), BROKER, BEFORE)


@pytest.mark.parametrize("name", ["gw 1", "gw1\ntopic readwrite #", "city/gw1", "#", "+"])
def test_a_login_that_an_access_list_would_read_as_something_else_gets_none(name: str) -> None:
    plan = a_plan()
    city = replace(plan.recipients[0], username=name)
    with pytest.raises(ConfigError, match="an access list cannot hold the user name"):
        access_list(replace(plan, recipients=(city, *plan.recipients[1:])), BROKER, BEFORE)


def test_a_broker_that_nobody_has_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"grid\.example:8884"):
        access_list(a_plan(), "elsewhere:1883", BEFORE)


def asked(*commands: str) -> Plan:
    plan = a_plan()
    return replace(plan, recipients=tuple(replace(one, commands=commands) for one in plan.recipients))


async def test_who_may_ask_writes_that_command_alone_and_alone_reads_what_comes_of_it(
    broker: Mosquitto,
) -> None:
    login = {name: {"username": name, "password": f"{name}-secret"} for name in USERS}
    broker.write_acl(access_list(asked("replay"), BROKER, BEFORE))
    broker.reload()
    async with gateway(broker, "city") as city, gateway(broker, "uni") as university:
        assert await told(city, "c/replay") == [0x10]  # allowed, and nobody has subscribed
        assert await told(city, "c/rebirth", "c/write", "c", "r", "r/visitors") == [DENIED] * 5
        assert await told(university, "c/replay", "c/rebirth", "r", "r/visitors") == [DENIED] * 4
    async with (
        subscribed(broker.port, **login["city"]) as owner,
        subscribed(broker.port, **login["uni"]) as reader,
        gateway(broker, "library-gw1") as link,
    ):
        assert max(await told(link, "r", "r/visitors", "d/visitors")) < 0x80
        assert await told(link, "c/replay") == [DENIED]
        await until(lambda: len(owner.messages) >= 3)
        await until(lambda: len(reader.messages) >= 1)
        assert heard(owner) == {"r", "r/visitors", "d/visitors"}
        assert heard(reader) == {"d/visitors"}


async def test_a_gateway_that_nobody_may_ask_hears_and_answers_nothing(broker: Mosquitto) -> None:
    async with gateway(broker, "library-gw1") as link, gateway(broker, "city") as city:
        assert await told(link, "r", "r/visitors") == [DENIED] * 2
        assert await told(city, "c/replay", "c/rebirth") == [DENIED] * 2
