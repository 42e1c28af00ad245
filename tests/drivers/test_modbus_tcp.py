"""Modbus TCP against a server and a client that we did not write (libmodbus, mbpoll), and against faults."""

from __future__ import annotations

import asyncio
import random
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Self

import pytest

from agent.backoff import LINK
from agent.core.catalogue.links import LINE_CARRIES
from agent.core.clock import SystemClock
from agent.core.driver import CanPlan, CanRead, Desk, Driver
from agent.core.duration import Duration
from agent.core.errors import DriverError
from agent.core.sample import Quality, Sample
from agent.supervisor import Supervisor
from drivers.modbus.device import ModbusDevice
from drivers.modbus.point import ModbusPoint, Table
from drivers.modbus_rtu import ModbusRtu
from drivers.modbus_rtu_tcp import ModbusRtuTcp
from drivers.modbus_tcp import ModbusTcp
from drivers.p1 import P1
from tests.drivers.modbus.wire import Asked, serving
from tests.peers import libmodbus, need
from tests.virtual import VirtualClock


@pytest.fixture
def meter() -> Iterator[libmodbus.LibmodbusServer]:
    with libmodbus.serve() as server:
        yield server


def device(
    points: dict[str, ModbusPoint],
    name: str = "meter",
    *,
    unit: int = 1,
    every: float = 0.1,
    max_block: int = 125,
) -> ModbusDevice:
    return ModbusDevice(name=name, unit=unit, every=Duration(every), points=points, max_block=max_block)


def registers(*addrs: int, table: Table = "holding") -> dict[str, ModbusPoint]:
    return {f"r{addr}": ModbusPoint(addr=addr, table=table) for addr in addrs}


def link(port: int, *devices: ModbusDevice, timeout: float = 0.3) -> ModbusTcp:
    return ModbusTcp(
        name="room", host="127.0.0.1", port=port, timeout=Duration(timeout), devices=tuple(devices)
    )


class Seen:
    """Collects samples, and lets a test wait for what it wants to see."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._news = asyncio.Event()

    def __call__(self, samples: Iterable[Sample]) -> None:
        self.samples.extend(samples)
        self._news.set()

    def of(self, point: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.point == point]

    async def until(self, count: int, point: str, value: float | None = None) -> list[Sample]:
        """Wait for *count* samples of *point* (with this *value*, if it is given)."""
        async with asyncio.timeout(40):
            while (
                len(found := [one for one in self.of(point) if value is None or one.value == value]) < count
            ):
                self._news.clear()
                await self._news.wait()
        return found


async def eventually(true: Callable[[], bool], patience: float = 10.0) -> None:
    """Wait for what another process will soon say."""
    async with asyncio.timeout(patience):
        while not true():  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(0.01)


class Running:
    """A link at work for the length of a ``with`` block."""

    def __init__(self, driver: Driver, clock: VirtualClock | SystemClock | None = None) -> None:
        self.seen, self.desk = Seen(), Desk()
        self._driver, self._clock = driver, clock or SystemClock()

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self._driver.run(self.seen, self._clock, self.desk))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError, DriverError):
            await self.task


def test_the_driver_offers_all_abilities() -> None:
    driver: Driver = ModbusTcp(host="10.0.0.1")
    assert isinstance(driver, CanRead)
    assert isinstance(driver, CanPlan)


def test_naming_the_driver_does_not_load_the_protocol_library() -> None:
    program = "import sys, drivers.modbus_tcp; sys.exit('pymodbus' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_values_agree_with_what_libmodbus_serves(meter: libmodbus.LibmodbusServer) -> None:
    meter.set("input", 0x34, [0x4366, 0x1999])
    meter.set("holding", 100, [0xFFFF, 0xFFFE])
    meter.set("coil", 9, [1])
    meter.set("discrete", 17, [1])
    points = {
        "power": ModbusPoint(addr=0x34, table="input", type="f32", unit="W"),
        "balance": ModbusPoint(addr=100, type="i32"),
        "running": ModbusPoint(addr=9, table="coil", type="bool"),
        "stopped": ModbusPoint(addr=8, table="coil", type="bool"),
        "alarm": ModbusPoint(addr=17, table="discrete", type="bool"),
        "nothing": ModbusPoint(addr=100),
    }
    readings = await link(meter.port, device(points)).read((), SystemClock())
    got = {one.sample.point: (one.sample.value, one.sample.why, one.raw) for one in readings}
    (power,) = struct.unpack(">f", bytes.fromhex("43661999"))
    assert got == {
        "meter.power": (power, "", "4366 1999"),
        "meter.balance": (-2, "", "ffff fffe"),
        "meter.running": (1, "", "0001"),
        "meter.stopped": (0, "", "0000"),
        "meter.alarm": (1, "", "0001"),
        "meter.nothing": (None, "not_available", "ffff"),
    }


def mbpoll(*options: str) -> str:
    """Read once from unit 1 of this computer, addresses from zero."""
    command = [need("mbpoll"), "-m", "tcp", "-a", "1", "-0", "-1", *options, "127.0.0.1"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("table", "kind"), [("input", "3"), ("holding", "4")])
async def test_values_agree_with_mbpoll(table: Table, kind: str, meter: libmodbus.LibmodbusServer) -> None:
    meter.set(table, 40, [0x0102, 0xFFFE, 0x8000, 0x7FFF])
    told = mbpoll("-p", str(meter.port), "-t", f"{kind}:hex", "-r", "38", "-c", "8")
    theirs = {int(addr): word.lower() for addr, word in re.findall(r"\[(\d+)\]:\s+0x([0-9A-Fa-f]{4})", told)}
    ours = await link(meter.port, device(registers(*range(38, 46), table=table))).read((), SystemClock())
    assert {int(one.sample.point.removeprefix("meter.r")): one.raw for one in ours} == theirs
    assert len(theirs) == 8


async def test_neighbours_are_read_in_one_request(meter: libmodbus.LibmodbusServer) -> None:
    driver = link(meter.port, device(registers(*range(100))))
    await driver.read((), SystemClock())
    assert meter.requests() == [[1, 3, 0, 100]]
    assert [one.request for one in driver.plan()] == ["FC3 0..99"]


async def test_the_plan_is_what_the_server_is_asked(meter: libmodbus.LibmodbusServer) -> None:
    both = device({**registers(*range(101), 500), **registers(7, table="input")}, max_block=100)
    driver = link(meter.port, both)
    await driver.read((), SystemClock())
    asked = [f"FC{function} {addr}..{addr + count - 1}" for _, function, addr, count in meter.requests()]
    assert sorted(asked) == sorted(one.request for one in driver.plan())
    assert max(int(one.split("..")[1]) - int(one.split()[1].split("..")[0]) for one in asked) < 100
    assert {point for one in driver.plan() for point in one.points} == {one.name for one in driver.points()}


async def test_ten_devices_cost_ten_requests_a_cycle_on_one_connection(
    meter: libmodbus.LibmodbusServer,
) -> None:
    devices = [device(registers(*range(100)), f"unit-{unit}", unit=unit, every=0.2) for unit in range(1, 11)]
    async with Running(link(meter.port, *devices)) as running:
        for one in devices:
            await running.seen.until(3, f"{one.name}.r99")
    cycles = len(running.seen.of("unit-10.r0"))
    # on a busy computer the first of them may be two cycles ahead
    assert 10 * cycles <= len(meter.requests()) <= 10 * (cycles + 2)
    assert meter.connections()[0] == 1
    assert running.desk.figures["connected"] == "no"


@pytest.mark.parametrize("refused", [0, 120, 240, 360])
async def test_a_refused_block_leaves_the_others_under_their_own_names(
    refused: int, meter: libmodbus.LibmodbusServer
) -> None:
    groups = registers(*(start + i for start in (0, 120, 240, 360) for i in range(100)))
    meter.refuse("holding", refused, 100)
    readings = await link(meter.port, device(groups)).read((), SystemClock())
    for one in readings:
        addr = int(one.sample.point.removeprefix("meter.r"))
        if refused <= addr < refused + 100:
            assert (one.sample.value, one.sample.why) == (None, "illegal_address")
        else:
            assert one.sample.value == addr


async def test_one_bad_point_costs_only_itself_and_is_learnt(meter: libmodbus.LibmodbusServer) -> None:
    meter.refuse("holding", 57)
    async with Running(link(meter.port, device(registers(*range(100))))) as running:
        await running.seen.until(2, "meter.r99")
        meter.requests()
        await running.seen.until(5, "meter.r99")
    asked = meter.requests()
    assert {tuple(one) for one in asked} == {(1, 3, 0, 57), (1, 3, 58, 42)}
    assert all(
        one.value == int(one.point.removeprefix("meter.r")) for one in running.seen.samples if one.value
    )
    bad = running.seen.of("meter.r57")
    assert {(one.value, one.quality, one.why) for one in bad} == {(None, Quality.BAD, "illegal_address")}
    assert len(bad) == len(running.seen.of("meter.r0"))


async def test_a_device_that_refuses_everything_is_not_taken_apart(
    meter: libmodbus.LibmodbusServer,
) -> None:
    meter.refuse("holding", 0, 1000)
    async with Running(link(meter.port, device(registers(*range(64))))) as running:
        await running.seen.until(3, "meter.r0")
        meter.requests()
        await running.seen.until(6, "meter.r0")
        assert {tuple(one) for one in meter.requests()} == {(1, 3, 0, 64)}
        meter.relent()
        await running.seen.until(1, "meter.r63", 63)
        assert {tuple(one) for one in meter.requests()} == {(1, 3, 0, 64)}


SDM120 = (0x00, 0x06, 0x0C, 0x12, 0x18, 0x1E, 0x46, 0x48, 0x4A, 0x4C, 0x4E, 0x156, 0x158)


async def test_holes_that_a_device_refuses_are_learnt(virtual: VirtualClock) -> None:
    known = {addr + i for addr in SDM120 for i in (0, 1)}
    costs: list[int] = []

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        costs[-1] += 1
        whole = known >= set(range(asked.addr, asked.addr + asked.count))
        return [asked.reply() if whole else asked.refusal(2)]

    points = {f"p{addr}": ModbusPoint(addr=addr, type="u32") for addr in SDM120}
    async with serving(behaviour) as wire:
        costs.append(0)
        async with Running(link(wire.port, device(points, every=10.0)), virtual) as running:
            for _ in range(6):
                await virtual.sleep(9.9)
                costs.append(0)
    expected = {f"meter.p{addr}": float(addr << 16 | addr + 1) for addr in SDM120}
    assert {(one.point, one.value) for one in running.seen.samples} == set(expected.items())
    assert costs[0] <= 2 * len(SDM120)
    assert costs[5] == 8, "the fewest that never read a hole"


async def test_an_unknown_limit_of_a_device_is_learnt(virtual: VirtualClock) -> None:
    asked_now: list[int] = []

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        asked_now.append(asked.count)
        return [asked.reply() if asked.count <= 20 else asked.refusal(3)]

    async with (
        serving(behaviour) as wire,
        Running(link(wire.port, device(registers(*range(100)), every=10.0)), virtual) as running,
    ):
        await virtual.sleep(5)
        asked_now.clear()
        await virtual.sleep(10)
        assert max(asked_now) <= 20
        assert len(asked_now) <= 9
    assert all(one.value == int(one.point.removeprefix("meter.r")) for one in running.seen.samples)


async def test_one_dead_unit_of_ten_does_not_starve_the_others(virtual: VirtualClock) -> None:
    devices = [device(registers(*range(10)), f"unit-{unit}", unit=unit, every=1.0) for unit in range(1, 11)]
    async with serving(lambda asked: [] if asked.unit == 3 else [0.005, asked.reply()]) as wire:
        async with Running(link(wire.port, *devices, timeout=1.0), virtual) as running:
            await virtual.sleep(37.5)
        asked = [one.unit for one in wire.asked]
        assert (wire.ever, wire.most) == (1, 1)
    for one in devices:
        got = running.seen.of(f"{one.name}.r0")
        if one.unit == 3:
            assert {(sample.value, sample.why) for sample in got} == {(None, "no_reply")}
        else:
            assert len(got) >= 36, "38 polls were due; the dead unit may cost two until it is known"
    assert 10 < asked.count(3) < 38, "a probe holds the line up for a fiftieth of a second"
    assert running.desk.figures["silent"] == "unit-3"


async def test_a_dead_unit_is_nobody_elses_fault(meter: libmodbus.LibmodbusServer) -> None:
    meter.mute(2)
    dead, alive = device(registers(1), "dead", unit=2), device(registers(1), "alive")
    async with Running(link(meter.port, dead, alive, timeout=0.1)) as running:
        await running.seen.until(5, "alive.r1", 1)
        assert {(one.value, one.why) for one in running.seen.of("dead.r1")} == {(None, "no_reply")}
        assert meter.connections() == (1, 1)


async def test_a_device_that_speaks_again_is_found_within_its_probe(virtual: VirtualClock) -> None:
    silent = True
    async with (
        serving(lambda asked: [] if silent else [asked.reply()]) as wire,
        Running(link(wire.port, device(registers(1), every=1.0)), virtual) as running,
    ):
        await virtual.sleep(100)
        assert len(wire.asked) <= 50
        assert {one.why for one in running.seen.samples} == {"no_reply"}
        silent = False
        spoken = virtual.boot()
        (first, *_) = await running.seen.until(1, "meter.r1", 1)
        assert first.at - spoken <= 6  # a twentieth of its silence, and a beat


async def test_a_poll_longer_than_its_period_never_overlaps_and_is_counted(virtual: VirtualClock) -> None:
    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        return [0.7 if asked.unit == 1 else 0.0, asked.reply()]

    slowly = device(registers(1), "slow", every=0.5)
    fast = device(registers(2), "fast", unit=2, every=1.0)
    async with serving(behaviour) as wire:
        async with Running(link(wire.port, slowly, fast, timeout=1.0), virtual) as running:
            await virtual.sleep(20.2)
            figures = dict(running.desk.figures)
        assert (wire.ever, wire.most) == (1, 1)
    assert figures["overruns"] == pytest.approx(13, abs=2), "what is a little overdue is still read"
    assert len(running.seen.of("fast.r2")) >= 19, "the others keep their beat"
    ats = [one.at for one in running.seen.of("slow.r1")]
    assert min(later - earlier for earlier, later in pairwise(ats)) > 0.69


async def test_a_stamp_is_the_arrival_of_its_reply(virtual: VirtualClock) -> None:
    async with serving(lambda asked: [0.25, asked.reply()]) as wire:
        driver = link(wire.port, device(registers(0, 200), max_block=10), timeout=1.0)
        begun = virtual.boot()
        first, second = await driver.read((), virtual)
    assert first.sample.at - begun == pytest.approx(0.25)
    assert second.sample.at - begun == pytest.approx(0.51)  # the wire rests for 10 ms after a piece


async def test_a_lost_connection_marks_every_point_and_raises(meter: libmodbus.LibmodbusServer) -> None:
    driver = link(meter.port, device(registers(1, 2)), device(registers(3), "other", unit=2))
    async with Running(driver) as running:
        await running.seen.until(2, "other.r3", 3)
        meter._process.kill()
        with pytest.raises(DriverError, match=f"127.0.0.1 port {meter.port}"):
            async with asyncio.timeout(5):
                await running.task
    for point in ("meter.r1", "meter.r2", "other.r3"):
        last = running.seen.of(point)[-1]
        assert (last.value, last.quality, last.why) == (None, Quality.BAD, "no_connection")
    assert running.desk.figures["connected"] == "no"


async def test_a_device_that_refused_for_a_while_is_read_again_within_two_seconds(
    virtual: VirtualClock,
) -> None:
    seen, supervisor = Seen(), Supervisor(virtual, random.Random(7))

    async def scene() -> tuple[float, float]:
        async with serving() as wire:
            driver = link(wire.port, device(registers(1), every=1.0))
            supervisor.start("link room", lambda: driver.run(seen, virtual, Desk()), LINK)
            await seen.until(20, "meter.r1", 1.0)
        await virtual.sleep(10)
        known = len(seen.of("meter.r1"))
        async with serving(port=wire.port):
            back = virtual.boot()
            while seen.samples[-1].value is None:
                await seen.until(known := known + 1, "meter.r1")
        return back, seen.samples[-1].at

    back, again = await supervisor.run(scene)
    assert 0 <= again - back < 2


async def test_an_unreachable_host_marks_every_point_and_raises(virtual: VirtualClock) -> None:
    async with serving() as wire:
        port = wire.port
    async with Running(link(port, device(registers(1, 2))), virtual) as running:
        waiting = running.desk.wish(("meter.r2",))
        with pytest.raises(DriverError, match=r"no connection to 127\.0\.0\.1"):
            await running.task
        (reading,) = await waiting
        assert (reading.sample.point, reading.sample.why) == ("meter.r2", "no_connection")
    assert {(one.point, one.why) for one in running.seen.samples} == {
        ("meter.r1", "no_connection"),
        ("meter.r2", "no_connection"),
    }


async def test_a_busy_device_is_asked_once_more_soon(virtual: VirtualClock) -> None:
    asked_before: list[Asked] = []

    def behaviour(asked: Asked) -> Sequence[bytes]:
        asked_before.append(asked)
        return [asked.refusal(6) if len(asked_before) == 1 else asked.reply()]

    async with serving(behaviour) as wire:
        (reading,) = await link(wire.port, device(registers(5))).read((), virtual)
    assert reading.sample.value == 5
    assert len(asked_before) == 2


async def test_a_wish_is_answered_between_polls_on_the_same_connection(
    meter: libmodbus.LibmodbusServer,
) -> None:
    async with Running(link(meter.port, device(registers(*range(20)), every=0.5))) as running:
        await running.seen.until(1, "meter.r0")
        meter.requests()
        async with asyncio.timeout(5):
            readings = await running.desk.wish(("meter.r7", "meter.r3", "meter.typo"))
        assert [(one.sample.point, one.sample.value, one.raw) for one in readings] == [
            ("meter.r7", 7, "0007"),
            ("meter.r3", 3, "0003"),
            ("meter.typo", None, ""),
        ]
        assert readings[2].sample.why == "unknown_point"
        assert [1, 3, 3, 5] in meter.requests()
        assert meter.connections() == (1, 1)
        assert len(await running.desk.wish(())) == 20


async def test_a_cancelled_link_ends_at_once_and_closes_its_connection(
    meter: libmodbus.LibmodbusServer,
) -> None:
    meter.mute(1)
    async with Running(link(meter.port, device(registers(1)), timeout=30)) as running:
        await eventually(lambda: bool(meter.requests()))
        async with asyncio.timeout(0.5):
            running.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running.task
    await eventually(lambda: not meter.connections()[1])


async def test_only_reads_ever_reach_the_wire(virtual: VirtualClock) -> None:
    points = {
        **registers(1, 2),
        "i": ModbusPoint(addr=3, table="input"),
        "c": ModbusPoint(addr=4, table="coil", type="bool"),
        "d": ModbusPoint(addr=5, table="discrete", type="bool"),
    }

    def behaviour(asked: Asked) -> list[bytes]:
        if asked.function in (1, 2):
            return [asked.frame_of(bytes((asked.function, 1, 1)))]
        return [asked.reply() if asked.function in (3, 4) else asked.refusal(1)]

    async with serving(behaviour) as wire:
        driver = link(wire.port, device(points))
        async with Running(driver, virtual) as running:
            await virtual.sleep(5)
            await running.desk.wish(())
            probing = running.desk.probe({"unit": 1, "identify": True})
            await probing
        await driver.read((), virtual)
    assert {one.function for one in wire.asked} == {1, 2, 3, 4, 0x2B}
    assert all(len(one.frame) == (11 if one.function == 0x2B else 12) for one in wire.asked)
    assert len(wire.received) == sum(len(one.frame) for one in wire.asked)


async def test_a_pause_after_connecting_is_kept(virtual: VirtualClock) -> None:
    async with serving() as wire:
        driver = ModbusTcp(
            host="127.0.0.1", port=wire.port, connect_delay=Duration(2), devices=(device(registers(1)),)
        )
        begun = virtual.boot()
        await driver.read((), virtual)
        assert virtual.boot() - begun == pytest.approx(2.0, abs=0.05)


async def test_a_line_that_carries_its_polls_again_says_so_once(
    virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    slow = 0.15

    async with (
        serving(lambda a: [slow, a.reply()]) as wire,
        Running(link(wire.port, device(registers(1), every=0.1)), virtual) as running,
    ):
        await virtual.sleep(10)
        assert running.desk.figures["overload"] == "meter"
        slow = 0.0
        await virtual.sleep(120)
        assert running.desk.figures["overload"] == ""
    assert [one.getMessage() for one in caplog.records if "carries again" in one.getMessage()] == [
        LINE_CARRIES.text
    ]


async def test_a_wish_that_nobody_waits_for_any_more_harms_nothing(virtual: VirtualClock) -> None:
    async with serving(lambda a: [0.2, a.reply()]) as wire:
        two = (device(registers(1), every=60.0), device(registers(2), name="other", every=60.0))
        async with Running(link(wire.port, *two), virtual) as running:
            await virtual.sleep(5)
            asked = running.desk.wish(("other.r2",))
            await virtual.sleep(0.05)
            asked.cancel()
            await virtual.sleep(1)
            [reading] = await running.desk.wish(("other.r2",))
            assert reading.sample.value == 2
            assert {one.unit for one in wire.asked[-1:]} == {1}
            for writer in list(wire.writers):
                late = running.desk.wish(("other.r2",))
                await virtual.sleep(0.05)
                late.cancel()
                writer.transport.abort()
            with pytest.raises(DriverError):
                await running.task


def test_a_link_says_whom_it_calls_and_which_port_it_opens() -> None:
    assert link(502).needs().hosts == ("127.0.0.1",)
    assert ModbusRtuTcp(host="10.20.0.9", port=4001).needs().hosts == ("10.20.0.9",)
    assert ModbusRtu(path="/dev/serial/by-id/x").needs().ports == ("/dev/serial/by-id/x",)
    assert P1(path="/dev/serial/by-id/y").needs().ports == ("/dev/serial/by-id/y",)
    assert P1(host="10.20.0.9", port=4001).needs().hosts == ("10.20.0.9",)


async def test_a_mistake_of_our_own_is_not_taken_for_a_lost_connection(virtual: VirtualClock) -> None:
    def mistake(_: object) -> None:
        raise ZeroDivisionError

    async with serving(None) as wire:
        with pytest.raises(ExceptionGroup) as caught:
            await link(wire.port, device(registers(1))).run(mistake, virtual, Desk())
    assert caught.group_contains(ZeroDivisionError)
