"""Modbus RTU through a transparent converter: late replies are never taken for others, whatever they are."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import pytest

from agent.core.driver import CanPlan, CanRead, Driver
from agent.core.duration import Duration
from agent.core.errors import DriverError
from agent.core.sample import Sample
from drivers.modbus.device import ModbusDevice
from drivers.modbus.figures import Figures
from drivers.modbus.link import Link
from drivers.modbus.point import ModbusPoint
from drivers.modbus.request import Answer, Request
from drivers.modbus.way import TcpWay
from drivers.modbus_rtu_tcp import ModbusRtuTcp
from tests.drivers.modbus.rtu_wire import Asked, rtu_serving
from tests.drivers.modbus.wire import CLOSE
from tests.drivers.test_modbus_tcp import Running, device, registers
from tests.virtual import VirtualClock


def link(port: int, *devices: ModbusDevice, timeout: float = 0.3) -> ModbusRtuTcp:
    return ModbusRtuTcp(
        name="roof", host="127.0.0.1", port=port, timeout=Duration(timeout), devices=tuple(devices)
    )


def test_the_driver_offers_all_abilities() -> None:
    driver: Driver = ModbusRtuTcp(host="10.0.0.1", port=4001)
    assert isinstance(driver, CanRead)
    assert isinstance(driver, CanPlan)


async def test_every_table_is_read(virtual: VirtualClock) -> None:
    points = {
        "i": ModbusPoint(addr=7, table="input"),
        "h": ModbusPoint(addr=8),
        "c": ModbusPoint(addr=9, table="coil", type="bool"),
        "d": ModbusPoint(addr=10, table="discrete", type="bool"),
    }
    async with rtu_serving() as wire:
        readings = await link(wire.port, device(points)).read((), virtual)
        assert {one.function for one in wire.asked} == {1, 2, 3, 4}
    assert [one.sample.value for one in readings] == [7, 8, 1, 0]


class LateGateway:
    """Answers in order; one reply in twenty comes after the timeout, refusals as well as values."""

    def __init__(self, seed: int, *, timeout: float) -> None:
        self._chance = random.Random(seed)
        self._timeout = timeout
        self.late = self.refused = 0

    def illegal(self, asked: Asked) -> bool:
        return any(addr % 700 == 699 for addr in range(asked.addr, asked.addr + asked.count))

    def __call__(self, asked: Asked) -> Sequence[bytes | float]:
        is_late = self._chance.random() < 0.05
        self.late += is_late
        pause = self._timeout * self._chance.uniform(1.1, 1.9) if is_late else 0.004
        if self.illegal(asked):
            self.refused += 1
            return [pause, asked.refusal(2)]
        return [pause, asked.reply()]


def scattered(chance: random.Random) -> dict[str, ModbusPoint]:
    """Points of one register, each far enough from the next group to be a request of its own."""
    starts = chance.sample(range(0, 60_000, 200), 30)
    return registers(*(start + i for start in starts for i in range(chance.randint(1, 5))))


def judge(samples: Sequence[Sample], *, illegal: bool) -> Counter[str]:
    """Count what the samples say: register *i* holds *i*, and 699 modulo 700 does not exist."""
    found: Counter[str] = Counter()
    for one in samples:
        addr = int(one.point.removeprefix("meter.r"))
        absent = illegal and addr % 700 == 699
        if one.value is not None:
            found["right" if one.value == addr and not absent else "WRONG"] += 1
        elif one.why == "illegal_address":
            found["refused" if absent else "FALSE"] += 1
        else:
            found[one.why] += 1
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_late_replies_never_become_values_of_other_points(seed: int, virtual: VirtualClock) -> None:
    gateway = LateGateway(seed, timeout=0.03)
    points = scattered(random.Random(seed)) | registers(699, 698, 2799, 2797)
    meter = device(points, every=0.5)
    async with rtu_serving(gateway) as wire:
        async with Running(link(wire.port, meter, timeout=0.03), virtual) as running:
            while len(wire.asked) < 2500:
                await virtual.sleep(1)
            figures = dict(running.desk.figures)
        assert wire.most == 1
    found = judge(running.seen.samples, illegal=True)
    assert found["WRONG"] == found["FALSE"] == 0
    assert gateway.late > 100
    assert gateway.refused > 2
    assert found["right"] > 0.85 * found.total()
    assert isinstance(figures["stale_dropped"], int)
    assert figures["stale_dropped"] > gateway.late / 2


async def test_a_device_with_a_single_point_is_left_in_peace_instead(virtual: VirtualClock) -> None:
    gateway = LateGateway(1, timeout=0.03)
    async with (
        rtu_serving(gateway) as wire,
        Running(link(wire.port, device(registers(5), every=0.1), timeout=0.03), virtual) as running,
    ):
        await virtual.sleep(300)
        figures = dict(running.desk.figures)
    assert judge(running.seen.samples, illegal=False).keys() <= {"right", "no_reply"}
    assert isinstance(figures["quarantines"], int)
    assert figures["quarantines"] > 50


async def test_an_old_reply_on_a_new_connection_is_not_taken(virtual: VirtualClock) -> None:
    """A converter that was cut off under a question gives its reply to whoever comes next."""
    old: list[bytes] = []

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        if len(wire.asked) == 1:
            old.append(asked.reply([9999] * asked.count))
            return [CLOSE]
        return [*old, asked.reply()] if len(wire.asked) == 2 else [asked.reply()]

    async with rtu_serving(behaviour) as wire:
        way = TcpWay("127.0.0.1", wire.port, rtu=True)
        async with Link(way, virtual, Figures({}), ceiling=1.0) as roof:
            with pytest.raises(DriverError, match="closed the connection"):
                await roof.ask(Request(1, "holding", 10, 2, longer=(3,)))
            answer = await roof.ask(Request(1, "holding", 10, 2, longer=(3,)))
            assert isinstance(answer, Answer)
            assert answer.data == bytes((0, 10, 0, 11))
            assert [one.count for one in wire.asked] == [2, 3]


async def test_a_cancelled_question_is_remembered_too(virtual: VirtualClock) -> None:
    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        return [0.5, asked.reply([9999] * asked.count)] if len(wire.asked) == 1 else [asked.reply()]

    async with rtu_serving(behaviour) as wire:
        way = TcpWay("127.0.0.1", wire.port, rtu=True)
        async with Link(way, virtual, Figures({}), ceiling=1.0) as roof:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await roof.ask(Request(1, "holding", 10, 2, longer=(3,)))
            answer = await roof.ask(Request(1, "holding", 10, 2, longer=(3,)))
            assert isinstance(answer, Answer)
            assert answer.data == bytes((0, 10, 0, 11))


class Listening(ModbusRtuTcp):
    """A converter whose line is listened to before the first request, as a port of our own is."""

    def listening(self) -> float:
        """Give ten seconds."""
        return 10.0


async def test_another_master_that_is_heard_first_ends_the_link_before_anything_is_asked(
    virtual: VirtualClock,
) -> None:
    async with rtu_serving(None) as wire:
        driver = Listening(host="127.0.0.1", port=wire.port, devices=(device(registers(1, 2)),))
        async with Running(driver, virtual) as running:
            waiting, gone = running.desk.wish(("meter.r2",)), running.desk.wish(())
            gone.cancel()
            await virtual.sleep(5)
            for writer in wire.writers:
                writer.write(Asked(bytes(8)).frame_of(bytes((3, 0, 0, 0, 1)), unit=4))
            with pytest.raises(DriverError, match="another master"):
                await running.task
        assert wire.asked == []
    [reading] = await waiting
    assert (reading.sample.point, reading.sample.why) == ("meter.r2", "no_connection")
    assert [one.why for one in running.seen.samples] == ["no_connection", "no_connection"]
