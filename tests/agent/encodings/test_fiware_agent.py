"""FIWARE's own IoT Agent for JSON takes what we write and export, and a context broker hears it rightly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from agent.core.record import State
from tests.agent.encodings.test_fiware import CROWD, HEAD, NOON, STREAM, flow, made
from tests.peers import mosquitto as peer
from tests.peers.iot_agent import iot_agent

ENTITY = "urn:ngsi-ld:CrowdFlowObserved:vaasa:library:people.square.gate"


def told(entity: dict[str, Any], name: str) -> tuple[object, object]:
    """Give a property's value, and when it was observed."""
    at = str(entity[name].get("observedAt"))
    return entity[name]["value"], at.replace(".000Z", "Z")


@pytest.mark.long
async def test_windows_arrive_at_the_context_broker_with_their_own_time_and_states_apart(
    tmp_path: Path,
) -> None:
    encoding = made(CROWD)
    with peer.mosquitto(tmp_path) as broker:
        async with (
            iot_agent(tmp_path, broker.port) as agent,
            aiomqtt.Client("127.0.0.1", broker.port) as client,
        ):
            for way, body in encoding.provision([STREAM]).items():
                assert await agent.provision(way, body) == 201
            agent.upserts.clear()
            windows = [
                flow(12, 9),
                flow(None, 7, State.SUPPRESSED, at=NOON + 900),
                flow(0, 0, at=NOON + 1800),
            ]
            for figures in windows:
                for message in encoding.batch(STREAM, HEAD, figures):
                    await client.publish(message.topic, message.body, qos=1)
            first, second, third = await agent.until(3)
    assert {one["id"] for one in (first, second, third)} == {ENTITY}
    assert {one["type"] for one in (first, second, third)} == {"CrowdFlowObserved"}
    assert told(first, "peopleCountTowards") == (12, "2026-11-21T12:00:00Z")
    assert told(first, "quality") == ("ok", "2026-11-21T12:00:00Z")
    assert "peopleCountTowards" not in second, "the broker keeps the old one, with its older time"
    assert told(second, "quality") == ("suppressed", "2026-11-21T12:15:00Z")
    assert told(second, "peopleCountAway") == (7, "2026-11-21T12:15:00Z")
    assert told(third, "peopleCountTowards") == (0, "2026-11-21T12:30:00Z")
    assert first["location"]["type"] == "GeoProperty"
    assert agent.tenants == {"vaasa"}


@pytest.mark.long
async def test_what_is_not_provisioned_yields_nothing_and_nobody_is_told(tmp_path: Path) -> None:
    encoding = made(CROWD)
    with peer.mosquitto(tmp_path) as broker:
        async with (
            iot_agent(tmp_path, broker.port) as agent,
            aiomqtt.Client("127.0.0.1", broker.port) as client,
        ):
            for way, body in encoding.provision([STREAM]).items():
                await agent.provision(way, body)
            agent.upserts.clear()
            (message,) = encoding.batch(STREAM, HEAD, flow(3, 4))
            for topic in (message.topic.replace("gate", "gone"), message.topic):
                await client.publish(topic, message.body, qos=1)
            (only,) = await agent.until(1)
    assert only["id"] == ENTITY
