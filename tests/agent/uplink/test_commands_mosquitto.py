"""Commands through a real mosquitto with an access list, whatever speaks MQTT for us, and in each version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest
from msgspec.structs import replace
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.core.clock import SystemClock
from agent.core.plan import Plan
from agent.policy.acl import access_list
from tests.agent.uplink.kit import PLACE, ROOT, subscribed, until
from tests.agent.uplink.replaying import site
from tests.peers import mosquitto as peer
from tests.peers.mosquitto import CITY, GATEWAY, Mosquitto

LOGIN = {"username": CITY[0], "password": CITY[1]}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with peer.mosquitto(tmp_path, acl="") as running:
        yield running


async def ask(port: int, topic: str, body: bytes) -> None:
    """Say a command as a foreign client does, with MQTT 5's request and response."""
    given = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    given.ResponseTopic, given.CorrelationData = f"{ROOT}/r/loader", b"\x00ask"
    async with aiomqtt.Client(
        "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, username=CITY[0], password=CITY[1]
    ) as client:
        await client.publish(topic, body, qos=1, properties=given)


@pytest.mark.parametrize(
    ("client", "version"),
    [
        ("citygate", "5"),
        pytest.param("aiomqtt", "5", marks=pytest.mark.long),
        pytest.param("citygate", "3.1.1", marks=pytest.mark.long),
    ],
)
async def test_what_was_asked_comes_to_who_asked_by_the_access_list_that_we_write(
    broker: Mosquitto, tmp_path: Path, client: str, version: str
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    but = {"client": client, "mqtt": version, "username": GATEWAY[0], "password": GATEWAY[1]}
    async with site(folder, broker.port, SystemClock(), but=but) as running:
        plan = Plan(
            place=PLACE, timezone="UTC", links=(), products=running.products, grants=running.grants,
            recipients=(running.rig.recipient,), routes=tuple(running.routes), policy="p",
        )  # fmt: skip
        broker.write_acl(access_list(plan, f"127.0.0.1:{broker.port}", running.today))
        broker.reload()
        async with subscribed(broker.port, **LOGIN) as city:
            await until(lambda: running.uplink.connected)
            for value in range(3):
                running.window("energy", float(value))
            await until(lambda: len(city.bodies(f"{ROOT}/d/energy")) == 4)
            await ask(broker.port, f"{ROOT}/c/replay", running.wish(2, 3))
            await until(lambda: sum(b'"answer"' in bytes(one.payload) for one in city.messages) == 2)
            answers = [one for one in city.messages if b'"answer"' in bytes(one.payload)]
    assert city.bodies(f"{ROOT}/r/energy") == city.bodies(f"{ROOT}/d/energy")[1:3]
    assert [json.loads(bytes(one.payload))["is"] for one in answers] == ["begun", "done"]
    # MQTT 3.1.1 knows no response topic
    assert {str(one.topic) for one in answers} == {f"{ROOT}/r/loader" if version == "5" else f"{ROOT}/r"}
    if version == "5":
        assert [getattr(one.properties, "CorrelationData", None) for one in answers] == [b"\x00ask"] * 2


def test_the_access_list_of_a_gateway_that_nobody_may_ask_knows_no_commands() -> None:
    from tests.agent.policy.test_acl import BEFORE, BROKER, a_plan

    plan = a_plan()
    mute = replace(plan, recipients=tuple(replace(one, commands=()) for one in plan.recipients))
    assert "/c/" not in access_list(mute, BROKER, BEFORE)
    assert "/r" not in access_list(mute, BROKER, BEFORE).replace("/reader", "")
