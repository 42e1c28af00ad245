"""A whole serial line on virtual time: silences are kept, the dead cost little, the slow give way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest

from agent.core.driver import Desk
from agent.core.duration import Duration
from agent.core.errors import DriverError
from drivers.modbus.device import ModbusDevice
from drivers.modbus.figures import Figures
from drivers.modbus.line import Frame, rtu_cost
from drivers.modbus.link import Link
from drivers.modbus.plan import price
from drivers.modbus.point import ModbusPoint
from drivers.modbus.poll import Poller
from drivers.modbus.reader import Reader
from drivers.modbus.way import Way
from tests.drivers.modbus.bus import Bus
from tests.drivers.modbus.rtu_wire import Asked
from tests.drivers.test_modbus_tcp import SDM120, Seen, device, registers
from tests.virtual import VirtualClock


class Line:
    """A poller at work on a bus."""

    def __init__(self) -> None:
        self.seen, self.desk = Seen(), Desk()
        self.task: asyncio.Task[None]


@asynccontextmanager
async def polled(
    bus: Bus, clock: VirtualClock, *devices: ModbusDevice, ceiling: float = 3.0
) -> AsyncIterator[Line]:
    line, way = Line(), bus
    typed: Way = way
    async with Link(typed, clock, Figures(line.desk.figures), ceiling=ceiling) as link:
        readers = [Reader(one, link, clock, timeout=ceiling, cost=rtu_cost(9600, "8N1")) for one in devices]
        poller = Poller(link, readers, line.seen, clock=clock, desk=line.desk)
        line.task = asyncio.create_task(poller.run())
        try:
            yield line
        finally:
            line.task.cancel()
            with suppress(asyncio.CancelledError, DriverError):
                await line.task


def meter(name: str, unit: int, every: float) -> ModbusDevice:
    points = {f"p{addr}": ModbusPoint(addr=addr, type="u32", table="input") for addr in SDM120}
    return ModbusDevice(name=name, unit=unit, every=Duration(every), points=points, max_block=80)


def meters(count: int, every: float) -> list[ModbusDevice]:
    return [meter(f"m{unit}", unit, every) for unit in range(1, count + 1)]


@pytest.mark.parametrize(("baud", "frame"), [(2400, "8E1"), (9600, "8N1"), (19_200, "8E1"), (115_200, "8N2")])
async def test_the_silence_between_frames_is_kept(baud: int, frame: Frame, virtual: VirtualClock) -> None:
    bus = Bus(baud, frame)
    async with polled(bus, virtual, *meters(3, 0.1)) as line:
        await virtual.sleep(20)
    assert len(bus.asked) > 50
    assert bus.faults == []
    assert {one.value for one in line.seen.of("m2.p70")} == {70 << 16 | 71}


async def test_a_late_device_never_talks_over_a_request(virtual: VirtualClock) -> None:
    """What comes too late may fall on the next request, but every value that is given is right."""
    bus = Bus(seed=4)
    bus.late, bus.lateness, bus.noise = 0.05, 0.6, 0.05
    async with polled(bus, virtual, *meters(3, 1.0), ceiling=0.3) as line:
        while len(bus.asked) < 2000:
            await virtual.sleep(5)
    values = [one for one in line.seen.samples if one.value is not None]
    assert len(values) > 0.7 * len(line.seen.samples)
    for one in values:
        addr = int(one.point.partition(".p")[2])
        assert one.value == addr << 16 | addr + 1
    assert {one.why for one in line.seen.samples} <= {"", "no_reply", "bad_reply", "unsure"}


@pytest.mark.parametrize("seconds", [240, pytest.param(3600, marks=pytest.mark.long)])
async def test_a_dead_unit_of_ten_costs_the_others_less_than_a_fiftieth(
    seconds: int, virtual: VirtualClock
) -> None:
    spent: dict[bool, float] = {}
    for dead in (False, True):
        bus = Bus()
        bus.dead = {3} if dead else set()
        async with polled(bus, virtual, *meters(10, 0.1)) as line:  # always due: as fast as the line can
            await virtual.sleep(90)  # time to find out
            begun = virtual.boot()
            await virtual.sleep(seconds)
        good = [one for one in line.seen.samples if one.value is not None and one.at > begun]
        counts = [sum(one.point == f"m{unit}.p0" for one in good) for unit in (1, 2, 4, 5, 6, 7, 8, 9, 10)]
        assert max(counts) - min(counts) <= 2, "everybody gets its turn"
        ats = [one.at for one in good if one.point == "m5.p0"]
        spent[dead] = (ats[-1] - ats[0]) / (len(ats) - 1)
        assert bus.faults == []
    # ten meters take ten shares of the cycle; without the dead one nine remain
    assert spent[True] < 1.02 * spent[False] * 9 / 10


async def test_points_are_read_as_often_as_each_is_wanted(virtual: VirtualClock) -> None:
    points = {
        "power": ModbusPoint(addr=10),
        "energy": ModbusPoint(addr=12, every=Duration(60)),
        "serial": ModbusPoint(addr=90, every=Duration(3600)),
    }
    bus = Bus()
    async with polled(bus, virtual, device(points, every=1.0)) as line:
        await virtual.sleep(601.5)
    assert len(line.seen.of("meter.power")) == 602
    assert len(line.seen.of("meter.energy")) == 11
    assert len(line.seen.of("meter.serial")) == 1
    asked = [(one.addr, one.count) for _, one in bus.asked]
    assert asked.count((10, 3)) == 11, "what is due together is read together"
    assert len(asked) == 602 + 1


async def test_an_overloaded_line_puts_slow_points_off_first_and_says_so(
    virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    fast = registers(*range(0, 300, 100))
    slow = {f"s{addr}": ModbusPoint(addr=addr, every=Duration(3)) for addr in range(1000, 11_000, 100)}
    bus = Bus()
    async with polled(bus, virtual, device({**fast, **slow}, every=0.2)) as line:
        await virtual.sleep(120)
        figures = dict(line.desk.figures)
    ats = [one.at for one in line.seen.of("meter.r0")]
    assert len(ats) > 550, "100 slow requests would take all the time there is"
    assert max(later - earlier for earlier, later in pairwise(ats)) < 0.45
    assert figures["shed_3s"] == pytest.approx(30, abs=10)
    assert figures["overload"] == "meter"
    assert "the line carries less than is asked of it: meter" in caplog.text
    counts = [len(line.seen.of(f"meter.{name}")) for name in slow]
    assert min(counts) >= 10, "nobody waits for ever"
    assert max(counts) - min(counts) <= 1


async def test_slow_points_fill_the_gaps_between_fast_ones(virtual: VirtualClock) -> None:
    fast = registers(*range(0, 300, 100))
    slow = {f"s{addr}": ModbusPoint(addr=addr, every=Duration(3)) for addr in range(1000, 3000, 100)}
    bus = Bus()
    async with polled(bus, virtual, device({**fast, **slow}, every=0.2)) as line:
        await virtual.sleep(60.5)
        figures = dict(line.desk.figures)
    assert len(line.seen.of("meter.r0")) >= 300, "their 0.6 s are spread over several beats"
    assert [len(line.seen.of(f"meter.{name}")) for name in slow] == pytest.approx([21] * 20, abs=1)
    assert not figures.get("overload")


async def test_a_rarely_read_device_gives_way_to_a_frequent_one(virtual: VirtualClock) -> None:
    busy = [device(registers(*range(0, 1000, 100)), f"slow-{i}", unit=i, every=2.0) for i in range(2, 8)]
    quick = device(registers(5), "quick", unit=1, every=0.25)
    bus = Bus()
    async with polled(bus, virtual, quick, *busy) as line:
        await virtual.sleep(60)
    gaps = [later.at - earlier.at for earlier, later in pairwise(line.seen.of("quick.r5"))]
    assert max(gaps) < 0.4, "it waits for one foreign request at most"
    assert min(len(line.seen.of(f"{one.name}.r900")) for one in busy) >= 10


async def test_a_group_is_read_in_one_request_or_not_at_all(virtual: VirtualClock) -> None:
    def answer(asked: Asked) -> bytes:
        bad = asked.addr <= 14 < asked.addr + asked.count
        return asked.refusal(2) if bad else asked.reply()

    points = {
        "mantissa": ModbusPoint(addr=10, group="power"),
        "exponent": ModbusPoint(addr=14, group="power"),
        "other": ModbusPoint(addr=12),
        "last": ModbusPoint(addr=16),
    }
    bus = Bus()
    bus.answer = answer
    async with polled(bus, virtual, device(points, every=1.0)) as line:
        await virtual.sleep(10)
    assert {one.why for one in line.seen.of("meter.mantissa")} == {"illegal_address"}
    assert {one.why for one in line.seen.of("meter.exponent")} == {"illegal_address"}
    assert {one.value for one in line.seen.of("meter.other")} == {12}
    assert {one.value for one in line.seen.of("meter.last")} == {16}


async def test_a_device_that_gives_one_value_at_a_time_is_asked_so(virtual: VirtualClock) -> None:
    single = ModbusDevice(name="meter", points=registers(1, 2, 3), quirks=("one_point",))
    bus = Bus()
    async with polled(bus, virtual, single):
        await virtual.sleep(5)
    assert [(one.addr, one.count) for _, one in bus.asked] == [(1, 1), (2, 1), (3, 1)]


async def test_the_plan_follows_what_requests_really_cost(virtual: VirtualClock) -> None:
    """Foreseen for 9600 baud, where a gap of 20 is not worth reading; the line is faster, and thinks long."""
    bus = Bus(115_200)
    bus.thinks = 0.05
    holder = device(registers(*range(0, 120, 20)), every=0.5)
    async with polled(bus, virtual, holder) as line:
        await virtual.sleep(2)
        assert {one.count for _, one in bus.asked} == {1}
        await virtual.sleep(120)
        figures = dict(line.desk.figures)
    assert [(one.addr, one.count) for _, one in bus.asked[-2:]] == [(0, 101), (0, 101)]
    assert figures["plan_ms"] == figures["ideal_ms"]
    assert figures["plan_ms"] == pytest.approx(50 + 1000 * (8 + 5 + 202) * 10 / 115_200, rel=0.1)


async def test_a_pulled_adapter_ends_the_link_while_nothing_is_asked(virtual: VirtualClock) -> None:
    bus = Bus()
    async with polled(bus, virtual, device(registers(1), every=100.0)) as line:
        await virtual.sleep(5)
        bus.pull()
        with pytest.raises(DriverError, match="unplugged"):
            await line.task
        assert line.seen.samples[-1].why == "no_connection"


async def test_the_use_of_the_line_is_measured(virtual: VirtualClock) -> None:
    bus = Bus()
    async with polled(bus, virtual, device(registers(*range(40)), every=1.0)) as line:
        await virtual.sleep(100)
        figures = dict(line.desk.figures)
    taken = 0.01 + (8 + 5 + 80) * 10 / 9600
    assert figures["line_use_percent"] == pytest.approx(100 * taken, rel=0.05)
    assert figures["rtt_ms"] == pytest.approx(1000 * taken, rel=0.02)


def test_a_plan_is_never_dearer_than_reading_each_value() -> None:
    cost = rtu_cost(9600, "8N1")
    one = meter("m", 1, 1.0)
    each: Sequence[float] = [cost.of("input", 2) for _ in SDM120]
    assert price(one.blocks(cost), cost) < sum(each) / 2
