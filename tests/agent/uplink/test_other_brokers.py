"""Brokers of other makes, in MQTT 3.1.1, within WebSocket too: publish, come back after a kill, and drain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.errors import UplinkError
from agent.uplink.client import connect
from agent.uplink.port import Call, Packet
from tests.agent.uplink.kit import ROOT, Rig, subscribed
from tests.peers.brokers import Aedes, Broker, Nats, Rabbit

MAKES = [Aedes, Nats, pytest.param(Rabbit, marks=pytest.mark.long)]


@pytest.fixture(params=MAKES)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """Run each in turn."""
    make: type[Broker] = request.param
    made = make(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.kill()


async def test_what_is_published_arrives_and_what_waited_follows_a_kill(broker: Broker) -> None:
    rig = Rig(broker.port, but={"mqtt": "3.1.1"})
    async with rig.running():
        async with subscribed(broker.port, version="3.1.1") as city:
            rig.put(20)
            await rig.until(lambda: len(rig.feed.done) == 20)
            await rig.until(lambda: len(set(city.bodies(f"{ROOT}/d/energy"))) == 20)
        broker.kill()
        await rig.until(lambda: not rig.uplink.connected)
        rig.put(30)
        broker.start()
        async with subscribed(broker.port, version="3.1.1"):
            await rig.until(lambda: not rig.feed.left, patience=60.0)
        assert len(rig.feed.done) == 50


async def test_one_that_does_not_speak_mqtt_5_says_so_or_hangs_up(broker: Broker) -> None:
    call = Call(host="127.0.0.1", port=broker.port, client_id="gw1", patience=5.0)
    try:
        link = await connect(call)
    except UplinkError as error:
        assert any(words in str(error) for words in ('mqtt = "3.1.1" would do', "closed the connection"))  # noqa: PT017 - whether it is refused is the broker's choice
    else:
        assert await link.publish(Packet(topic="a", body=b"")) in (0, 0x10)
        await link.leave()


async def test_a_large_message_and_many_small_ones_are_acknowledged(broker: Broker) -> None:
    call = Call(host="127.0.0.1", port=broker.port, client_id="gw1", version="3.1.1")
    link = await connect(call)
    answers = [link.publish(Packet(topic="a/b", body=b"x" * size)) for size in (0, 1, 100_000, *range(50))]
    assert [await one for one in answers] == [0] * 53
    await link.leave()


@pytest.mark.parametrize("make", MAKES)
async def test_within_websocket_each_takes_all_and_what_waited_follows_a_kill(
    make: type[Broker], tmp_path: Path
) -> None:
    broker = make(tmp_path, web=True)
    try:
        broker.start()
        assert broker.web is not None
        rig = Rig(broker.web, but={"mqtt": "3.1.1", "websocket": broker.path})
        async with rig.running():
            rig.put(20)
            await rig.until(lambda: len(rig.feed.done) == 20)
            broker.kill()
            await rig.until(lambda: not rig.uplink.connected)
            rig.put(30)
            broker.start()
            await rig.until(lambda: not rig.feed.left, patience=60.0)
        call = Call(
            host="127.0.0.1", port=broker.web, client_id="gw2", version="3.1.1", websocket=broker.path
        )
        link = await connect(call)
        answers = [link.publish(Packet(topic="a/b", body=b"x" * size)) for size in (0, 1, 70_000)]
        assert [await one for one in answers] == [0] * 3
        await link.leave()
    finally:
        broker.kill()
