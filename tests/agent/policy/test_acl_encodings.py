"""The access list where an encoding has topics of its own: the gateway writes those, and no others."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.core.message import CanLimit, CanTalk, Head, Loss
from agent.core.plan import Grant, Plan, Reader
from agent.encodings.sparkplug_b import SparkplugB
from agent.policy.acl import access_list
from agent.registry import kinds
from tests.agent.encodings.test_states import FIGURES, HEAD, NOON, ROUTE, made, people
from tests.agent.report.test_interface import plan as plan_of
from tests.agent.uplink.kit import PLACE, Rig, subscribed
from tests.peers import mosquitto as peer

LISTED = [kind for kind in kinds("encoding") if isinstance(made(kind), CanLimit)]
TODAY = date(2027, 1, 1)


def plan(kind: str) -> Plan:
    found = plan_of(kind)
    grant = Grant(
        name="ops", recipient="city", products=("people",), purpose="operations", basis="task", keep=3600.0
    )
    return replace(found, grants=(grant,))


def matches(pattern: str, topic: str) -> bool:
    wanted, had = pattern.split("/"), topic.split("/")
    return len(wanted) == len(had) and all(one in ("+", two) for one, two in zip(wanted, had, strict=True))


@pytest.mark.parametrize("kind", LISTED)
def test_every_message_of_an_encoding_is_on_a_topic_that_it_names(kind: str) -> None:
    encoding = made(kind)
    assert isinstance(encoding, CanLimit)
    named = [*encoding.topics(None), *encoding.topics(people())]
    loss = Loss(why="cap", epoch=42, first=900, last=931, count=32, begin=NOON - 3600, end=NOON)
    said = [
        *encoding.batch(people(), HEAD, FIGURES),
        *encoding.birth(people(), ROUTE, Head(epoch=1, seq=1, policy="x"), "3f9c0a1b"),
        encoding.gap("people", HEAD, [loss]),
        encoding.will("3f9c0a1b", 42),
    ]
    if isinstance(encoding, CanTalk):
        said += [encoding.talk(0, lambda: NOON).mark, *encoding.talk(0, lambda: NOON).opening()]
    for message in said:
        assert any(matches(one, message.topic) for one in named), message.topic


@pytest.mark.parametrize("kind", LISTED)
def test_the_list_lets_the_gateway_write_and_the_recipient_read(kind: str) -> None:
    text = access_list(plan(kind), "broker.example:8883", TODAY)
    gateway, city = text.split("\nuser ")[1:]
    topics = [line.removeprefix("topic write ") for line in gateway.splitlines() if "topic write" in line]
    assert topics
    assert all(f"topic read {one}" in city for one in topics)
    assert "#" not in "".join(topics)


@pytest.mark.parametrize("kind", LISTED)
def test_who_reads_at_that_broker_reads_its_products_and_writes_nothing(kind: str) -> None:
    found = plan(kind)
    study = replace(found.grants[0], name="study", recipient="uni", until="2027-06-30")
    shared = replace(
        found,
        readers=(Reader(name="uni", via="city", username="uni-reader"),),
        grants=(*found.grants, study),
    )
    lists = {
        one.split("\n")[0]: one.split("\n")[1:]
        for one in access_list(shared, "broker.example:8883", TODAY).split("\nuser ")[1:]
    }
    hers = [one for one in lists["uni-reader"] if one]
    assert hers == [f"topic read {one}" for one in made(kind).topics(found.products[0])]  # type: ignore[attr-defined]
    assert set(hers) < set(lists["city"]), "not the gateway's own topics"
    ended = access_list(shared, "broker.example:8883", date(2027, 7, 1))
    assert "uni-reader" not in ended


@pytest.mark.parametrize("kind", ["azure-iot-hub", "aws-iot-core", "thingsboard"])
def test_a_platform_with_rules_of_its_own_is_left_to_them(kind: str) -> None:
    assert "has access rules of its own" in access_list(plan(kind), "broker.example:8883", TODAY)


async def test_a_real_broker_takes_what_sparkplug_writes_under_its_list(tmp_path: Path) -> None:
    edge = replace(plan("sparkplug-b"), place=PLACE)
    text = access_list(edge, "broker.example:8883", TODAY).replace("people", "energy")
    with peer.mosquitto(tmp_path, acl=text.replace("user vaasa-library-gw1", "user gw1")) as broker:
        login = {"username": "gw1", "password": "gateway-secret"}
        rig = Rig(broker.port, but=login, encoding=SparkplugB(PLACE))
        async with subscribed(broker.port, "city", "city-secret", topic="spBv1.0/#") as host, rig.running():
            rig.put(5)
            await rig.until(lambda: sum("DDATA" in str(one.topic) for one in host.messages) == 5)
            await rig.until(lambda: len(rig.feed.done) == 5)
