"""An encoding that counts at the socket, over a real mosquitto: what comes first, when a row is delivered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest
from msgspec.structs import replace

from agent.core.message import SILENT
from agent.encodings._sparkplug_wire import BOOLEAN, Metric, metrics_of, payload
from agent.encodings.sparkplug_b import SparkplugB, SparkplugBSettings
from agent.uplink.client import connect
from agent.uplink.port import Call, Packet
from agent.uplink.spoken import Spoken
from tests.agent.uplink.kit import PLACE, Rig, subscribed
from tests.peers import mosquitto as peer
from tests.peers.fake_broker import fake_broker
from tests.peers.foreign import read_by_tahu
from tests.peers.mosquitto import Mosquitto
from tests.virtual import VirtualClock

NODE = "spBv1.0/vaasa/{}/library-gw1"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with peer.mosquitto(tmp_path) as running:
        yield running


async def test_a_host_sees_births_before_data_and_numbers_without_a_hole(broker: Mosquitto) -> None:
    rig = Rig(broker.port, encoding=SparkplugB(PLACE))
    async with subscribed(broker.port, topic="spBv1.0/#") as host, rig.running():
        rig.put(30)
        await rig.until(lambda: len(rig.feed.done) == 30)
        await rig.until(lambda: sum("DDATA" in str(one.topic) for one in host.messages) == 30)
    topics = [str(one.topic) for one in host.messages]
    assert topics[:2] == [NODE.format("NBIRTH"), f"{NODE.format('DBIRTH')}/energy"]
    alive = [bytes(one.payload) for one in host.messages if "NDEATH" not in str(one.topic)]
    assert [one["seq"] for one in read_by_tahu(alive)] == list(range(len(alive)))


async def test_an_orderly_end_says_the_death_that_names_the_birth(broker: Mosquitto) -> None:
    rig = Rig(broker.port, encoding=SparkplugB(PLACE))
    async with subscribed(broker.port, topic="spBv1.0/#") as host:
        async with rig.running():
            await rig.until(lambda: len(host.messages) >= 3)
        await rig.until(lambda: "NDEATH" in str(host.messages[-1].topic))
    death, birth = read_by_tahu([bytes(host.messages[at].payload) for at in (-1, 0)])
    numbers = [
        next(one["value"] for one in read["metrics"] if one["name"] == "bdSeq") for read in (death, birth)
    ]
    assert numbers[0] == numbers[1]


async def test_a_row_of_qos_0_counts_as_delivered_only_when_the_broker_has_answered_behind_it(
    broker: Mosquitto,
) -> None:
    rig = Rig(broker.port, encoding=SparkplugB(PLACE))
    async with rig.running():
        rig.put(1)
        await rig.until(lambda: len(rig.feed.done) == 1)
        broker.pause()  # the bytes leave, and nobody reads them
        rig.put(10)
        await rig.until(lambda: not rig.uplink.connected)  # the link is given up
        assert len(rig.feed.done) == 1
        broker.kill()
        broker.start()
        async with subscribed(broker.port, topic="spBv1.0/#") as host:
            await rig.until(lambda: len(rig.feed.done) == 11)
            await rig.until(lambda: len(host.messages) > 0)


async def publish(port: int, topic: str, body: bytes, *, retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as host:
        await host.publish(topic, body, qos=1, retain=retain)


def state(*, online: bool, at: int) -> bytes:
    return json.dumps({"online": online, "timestamp": at}).encode()


@pytest.mark.parametrize("client", ["citygate", "aiomqtt"])
async def test_a_host_that_missed_the_births_asks_for_them(broker: Mosquitto, client: str) -> None:
    rig = Rig(broker.port, encoding=SparkplugB(PLACE), but={"client": client})
    command = payload(metrics_of([Metric("Node Control/Rebirth", BOOLEAN, value=True)]), at=1.0, seq=None)
    async with subscribed(broker.port, topic="spBv1.0/#") as host, rig.running():
        rig.put(3)
        await rig.until(lambda: sum("DDATA" in str(one.topic) for one in host.messages) == 3)
        seen = len(host.messages)
        await publish(broker.port, NODE.format("NCMD"), command)
        await rig.until(lambda: any("DBIRTH" in str(one.topic) for one in host.messages[seen:]))
        rig.put(1)
        await rig.until(lambda: "DDATA" in str(host.messages[-1].topic))
    again = [one for one in host.messages[seen:] if "NCMD" not in str(one.topic)]
    kinds = [str(one.topic).split("/")[2] for one in again]
    assert kinds[:2] == ["NBIRTH", "DBIRTH"]
    alive = [bytes(one.payload) for one in again if "NDEATH" not in str(one.topic)]
    assert [one["seq"] for one in read_by_tahu(alive)] == list(range(len(alive)))


async def test_nothing_is_said_while_the_primary_host_is_away(broker: Mosquitto) -> None:
    rig = Rig(broker.port, encoding=SparkplugB(PLACE, SparkplugBSettings(primary_host="scada")))
    here = "spBv1.0/STATE/scada"
    async with subscribed(broker.port, topic="spBv1.0/vaasa/#") as host, rig.running():
        rig.put(2)
        await publish(broker.port, here, state(online=False, at=1000), retain=True)
        await publish(broker.port, "elsewhere", b"so that what was said before has been heard")
        assert host.messages == []
        await publish(broker.port, here, state(online=True, at=2000), retain=True)
        await rig.until(lambda: len(rig.feed.done) == 2)
        await publish(broker.port, here, state(online=False, at=3000), retain=True)
        await rig.until(lambda: "NDEATH" in str(host.messages[-1].topic))
        count = len(host.messages)
        rig.put(2)
        await rig.until(lambda: any("host that must be there has gone" in one for one in rig.errors))
        assert len(host.messages) == count
        await publish(broker.port, here, state(online=True, at=4000), retain=True)
        await rig.until(lambda: len(rig.feed.done) == 4)
    assert str(host.messages[count].topic).endswith("NBIRTH/library-gw1")


async def test_each_connection_has_a_bdseq_of_its_own(broker: Mosquitto) -> None:
    rig = Rig(broker.port, encoding=SparkplugB(PLACE))
    seen: list[int] = []
    for _ in range(2):
        async with subscribed(broker.port, topic="spBv1.0/#") as host, rig.running():
            await rig.until(lambda: any("NBIRTH" in str(one.topic) for one in host.messages))
            (read,) = read_by_tahu([bytes(host.messages[0].payload)])
            seen.append(next(one["value"] for one in read["metrics"] if one["name"] == "bdSeq"))
    assert seen == [0, 1]


async def test_a_device_dies_with_its_grant_and_is_born_when_it_comes_back(broker: Mosquitto) -> None:
    rig = Rig(broker.port, "energy", "people", encoding=SparkplugB(PLACE))
    ended: set[str] = set()
    rig.desk.expired = lambda: frozenset(ended)
    async with subscribed(broker.port, topic="spBv1.0/#") as host, rig.running():
        rig.put(1)
        await rig.until(lambda: sum("DBIRTH" in str(one.topic) for one in host.messages) == 2)
        ended.add("city.people")
        rig.uplink.configure(tuple(rig.products.values()), rig.routes, "3b683cb786f6", "3f9c0a1b", 7)
        await rig.until(lambda: any("DDEATH" in str(one.topic) for one in host.messages))
        seen = len(host.messages)
        ended.clear()
        rig.configure()
        await rig.until(lambda: any(is_birth(one, "people") for one in host.messages[seen:]))
    deaths = [one for one in host.messages if "DDEATH" in str(one.topic)]
    assert [str(one.topic) for one in deaths] == [f"{NODE.format('DDEATH')}/people"]
    (read,) = read_by_tahu([bytes(deaths[0].payload)])
    assert read["metrics"] == []
    alive = [bytes(one.payload) for one in host.messages if "NDEATH" not in str(one.topic)]
    assert [one["seq"] for one in read_by_tahu(alive)] == list(range(len(alive)))


def is_birth(message: aiomqtt.Message, product: str) -> bool:
    return str(message.topic) == f"{NODE.format('DBIRTH')}/{product}"


async def test_a_device_that_gives_nothing_dies_and_is_born_before_its_next_data(broker: Mosquitto) -> None:
    rig = Rig(broker.port, encoding=SparkplugB(PLACE))
    async with subscribed(broker.port, topic="spBv1.0/#") as host, rig.running():
        rig.put(1)
        await rig.until(lambda: len(rig.feed.done) == 1)
        (silent,) = rig.rows(1)
        rig.feed.put([replace(silent, user=(*silent.user, SILENT))])
        await rig.until(lambda: len(rig.feed.done) == 2)
        rig.put(1)
        await rig.until(lambda: sum("energy" in str(one.topic) for one in host.messages) == 5)
    kinds = [str(one.topic).split("/")[2] for one in host.messages if "energy" in str(one.topic)]
    assert kinds == ["DBIRTH", "DDATA", "DDEATH", "DBIRTH", "DDATA"]
    alive = [bytes(one.payload) for one in host.messages if "NDEATH" not in str(one.topic)]
    assert [one["seq"] for one in read_by_tahu(alive)] == list(range(len(alive)))


async def test_a_connection_that_ends_while_the_host_is_waited_for_is_tried_again(broker: Mosquitto) -> None:
    rig = Rig(broker.port, encoding=SparkplugB(PLACE, SparkplugBSettings(primary_host="scada")))
    async with rig.running():
        rig.put(1)
        await asyncio.to_thread(broker.wait_for, "as gw1-city")
        broker.kill()
        await rig.until(lambda: len(rig.errors) > 0)
        assert rig.feed.done == []
        broker.start()
        await publish(broker.port, "spBv1.0/STATE/scada", state(online=True, at=2000), retain=True)
        await rig.until(lambda: len(rig.feed.done) == 1)


async def test_a_last_word_of_a_device_that_is_gone_stands_between_a_birth_and_a_death(
    broker: Mosquitto,
) -> None:
    rig = Rig(broker.port, "energy", "people", encoding=SparkplugB(PLACE))
    ended: set[str] = set()
    rig.desk.expired = lambda: frozenset(ended)
    async with subscribed(broker.port, topic="spBv1.0/#") as host, rig.running():

        def told() -> list[str]:
            topics = (str(one.topic) for one in host.messages)
            return [one.split("/")[2] for one in topics if one.endswith("/people")]

        await rig.until(lambda: told() == ["DBIRTH"])
        ended.add("city.people")
        rig.configure()
        await rig.until(lambda: told() == ["DBIRTH", "DDEATH"])
        rig.put(1, "people")  # such as what was lost when the grant ended
        await rig.until(lambda: told()[2:] == ["DBIRTH", "DDATA", "DDEATH"])
        await rig.until(lambda: len(rig.feed.done) == 1)


async def test_a_broker_that_goes_while_the_host_is_waited_for_is_told(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        encoding = SparkplugB(PLACE, SparkplugBSettings(primary_host="scada"))
        rig = Rig(broker.port, encoding=encoding, clock=virtual)
        async with rig.running():
            await broker.until(lambda: len(broker.subscribed) == 2)
            rig.put(1)
            await virtual.sleep(60.0)
            assert rig.errors == []
            broker.drop()
            await rig.until(lambda: len(rig.errors) == 1)
        assert f"127.0.0.1:{broker.port}" in rig.errors[0]
        assert rig.feed.done == []
        assert broker.published == []


async def test_whoever_waits_no_more_for_the_mark_hinders_no_other(broker: Mosquitto) -> None:
    link = await connect(Call(host="127.0.0.1", port=broker.port, client_id="gw1"))
    spoken = Spoken(link, SparkplugB(PLACE).talk(1, lambda: 1.8e9))
    row = Packet(topic="a", body=b"x", qos=0)
    spoken.publish(row).cancel()
    assert await spoken.publish(row) == 0
    broker.pause()
    spoken.publish(row).cancel()
    waits = spoken.publish(row)
    spoken.abort()
    with pytest.raises(ConnectionError, match="the connection was closed"):
        await waits


async def test_a_host_that_repeats_what_it_said_changes_nothing(broker: Mosquitto) -> None:
    rig = Rig(broker.port, encoding=SparkplugB(PLACE, SparkplugBSettings(primary_host="scada")))
    here = "spBv1.0/STATE/scada"
    await publish(broker.port, here, state(online=True, at=2000), retain=True)
    async with subscribed(broker.port, topic="spBv1.0/vaasa/#") as host, rig.running():
        rig.put(1)
        await rig.until(lambda: len(rig.feed.done) == 1)
        await publish(broker.port, here, state(online=True, at=2500))
        await publish(broker.port, here, state(online=False, at=1000))  # an old word, late
        rig.put(1)
        await rig.until(lambda: len(rig.feed.done) == 2)
    births = [one for one in host.messages if "NBIRTH" in str(one.topic)]
    assert len(births) == 1
    assert rig.errors == []
