"""Every fault that a broker may show, alone and by chance: exactly once after de-duplication, or declared."""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent.uplink.test_real_outbox import Site, numbers, site
from tests.peers.fake_broker import Publish
from tests.peers.fault_broker import Fault, FaultBroker, fault_broker
from tests.peers.websocket import web_door
from tests.virtual import VirtualClock

ROWS_A_SECOND = 100
_log = logging.getLogger(__name__)

CALM = [Fault.NONE] * 100


def data_only(choose: Callable[[], Fault]) -> Callable[[Publish], Fault]:
    """Spare births and status, which are told again anyway."""
    return lambda message: choose() if "/d/" in message.topic else Fault.NONE


def missing(broker: FaultBroker, product: str, last: int) -> set[tuple[int, int]]:
    """Give what neither arrived nor was declared lost."""
    bodies = [json.loads(one.body) for one in broker.accepted if one.topic.endswith(f"/d/{product}")]
    lost = [one for body in bodies if body["k"] == "gap" for one in body["lost"]]
    declared = {(one["e"], seq) for one in lost for seq in range(one["from"], one["to"] + 1)}
    return {(1, seq) for seq in range(1, last + 1)} - set(numbers(broker, product)) - declared


async def drained(running: Site, clock: VirtualClock) -> None:
    """Wait until the outbox is empty; routes that were parked are probed every quarter of an hour."""
    for _ in range(7200):
        if running.outbox.queue("city").n == 0:
            return
        await clock.sleep(1.0)
    raise AssertionError(f"{running.outbox.queue('city').n} messages were not delivered within two hours")


@pytest.mark.parametrize("receive_maximum", [0, 1], ids=["window of 20", "receive maximum 1"])
@pytest.mark.parametrize("fault", [one for one in Fault if one is not Fault.NONE])
async def test_a_fault_every_now_and_then_costs_no_message(
    virtual: VirtualClock, tmp_path: Path, fault: Fault, receive_maximum: int
) -> None:
    count = 0

    def choose() -> Fault:
        nonlocal count
        count += 1
        return fault if count in (3, 4, 5, 11, 30) else Fault.NONE

    async with fault_broker(data_only(choose), receive_maximum=receive_maximum) as broker:
        async with site(tmp_path, broker.port, virtual) as running:
            for _ in range(40):
                running.window("energy")
                await virtual.sleep(2.0)
            await drained(running, virtual)
            assert running.uplink.words()["city.energy"] == "ok"
        assert broker.done[fault] >= 3
        assert missing(broker, "energy", 41) == set()
        assert broker.most_waiting <= (receive_maximum or 20)


@pytest.mark.parametrize("seed", [1, 2])
async def test_random_faults_at_a_hundred_rows_a_second_cost_no_message(
    virtual: VirtualClock, tmp_path: Path, seed: int
) -> None:
    await _storm(virtual, tmp_path, seed, seconds=60)


async def test_within_websocket_random_faults_cost_no_message_either(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    await _storm(virtual, tmp_path, 3, seconds=60, within_websocket=True)


@pytest.mark.long
async def test_ten_minutes_of_random_faults_cost_no_message(virtual: VirtualClock, tmp_path: Path) -> None:
    await _storm(virtual, tmp_path, int(os.environ.get("CITYGATE_SEED", "7")), seconds=600)


async def _storm(
    virtual: VirtualClock, folder: Path, seed: int, *, seconds: int, within_websocket: bool = False
) -> None:
    dice = random.Random(seed)
    calm = False
    mix = [*CALM, *Fault]

    def choose() -> Fault:
        return Fault.NONE if calm else dice.choice(mix)

    async with fault_broker(data_only(choose), seed=seed) as broker, web_door(broker.port, piece=7) as door:
        port, path = (door.port, "/mqtt") if within_websocket else (broker.port, "")
        async with site(folder, port, virtual, rate=0.0, cap=64 << 20, websocket=path) as running:
            for _ in range(seconds):
                for _ in range(ROWS_A_SECOND // 2):
                    running.window("energy")
                    running.window("people")
                await virtual.sleep(1.0)
            calm = True
            await drained(running, virtual)
            connections = running.uplink.figures["connections"]
        last = seconds * ROWS_A_SECOND // 2 + 1
        assert missing(broker, "energy", last) == set()
        assert missing(broker, "people", last) == set()
        stored = numbers(broker, "energy") + numbers(broker, "people")
        doubled = len(stored) - len(set(numbers(broker, "energy"))) - len(set(numbers(broker, "people")))
        assert sum(count for fault, count in broker.done.items() if fault is not Fault.NONE) > seconds / 4
        _log.info("%d numbers, %d stored, %s twice", 2 * last, len(stored), doubled)
        _log.info("%s connections, faults: %s", connections, broker.done)
