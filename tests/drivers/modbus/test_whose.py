"""A meter that is replaced: its serial number is read when that may have happened, and no delta spans two."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest

from agent.core.clock import Instant, SystemClock
from agent.core.driver import Desk
from agent.core.duration import Duration
from agent.core.point import Kind
from agent.core.product import Product
from agent.core.record import Aggregate
from agent.core.sample import Meter, Sample
from agent.pipeline import Pipeline
from drivers.modbus.device import ModbusDevice
from drivers.modbus.point import ModbusPoint
from drivers.modbus.registers import Registers
from pipelines.window import Window
from tests.drivers.modbus.wire import Asked, serving
from tests.drivers.test_modbus_tcp import Running, link
from tests.peers import libmodbus
from tests.virtual import VirtualClock

POINTS = {
    "energy": ModbusPoint(addr=10, type="u32", kind=Kind.COUNTER, unit="kW.h"),
    "power": ModbusPoint(addr=20, unit="W"),
}


def meter(every: float = 10.0, points: dict[str, ModbusPoint] = POINTS) -> ModbusDevice:
    return ModbusDevice(
        name="meter", every=Duration(every), points=points, serial=Registers(addr=900, words=2)
    )


class Replaceable:
    """A meter with a serial number, of which each part can fail."""

    def __init__(self) -> None:
        self.serial: Sequence[int] = (7, 7)
        self.energy = 1000
        self.away = self.mute = self.refuses = False
        self.asked: list[int] = []

    def __call__(self, asked: Asked) -> Sequence[bytes]:
        self.asked.append(asked.addr)
        if self.away or (self.mute and asked.addr == 900):
            return []
        if asked.addr == 900:
            return [asked.refusal(2) if self.refuses else asked.reply(self.serial)]
        held = [self.energy >> 16, self.energy & 0xFFFF, *(0,) * 8, 42]
        return [asked.reply(held[asked.addr - 10 : asked.addr - 10 + asked.count])]


def told(samples: Sequence[Sample]) -> list[str]:
    """Give the course of the counter in words."""
    return [
        ("new meter" if one.new else "meter") if isinstance(one, Meter) else one.why or f"{one.value:g}"
        for one in samples
        if one.point == "meter.energy"
    ]


async def test_the_meter_is_told_before_the_first_value_and_then_each_hour(virtual: VirtualClock) -> None:
    far = Replaceable()
    async with serving(far) as wire, Running(link(wire.port, meter()), virtual) as running:
        await virtual.sleep(7195)
    course = told(running.seen.samples)
    assert course[:3] == ["meter", "1000", "1000"]
    assert course.count("meter") == 2
    assert far.asked.count(900) == 2
    assert all(one.point == "meter.energy" for one in running.seen.samples if isinstance(one, Meter))


async def test_after_a_silence_no_counter_is_believed_until_its_meter_is_known(virtual: VirtualClock) -> None:
    far = Replaceable()
    async with serving(far) as wire, Running(link(wire.port, meter()), virtual) as running:
        await virtual.sleep(15)
        far.away = True
        await virtual.sleep(120)
        far.away, far.serial, far.energy = False, (8, 8), 5
        running.seen.samples.clear()
        await virtual.sleep(60)
    course = [one for one in told(running.seen.samples) if one != "no_reply"]
    assert course[:3] == ["unproven", "new meter", "5"]
    assert "1000" not in course


async def test_a_device_that_is_read_rarely_is_asked_each_time(virtual: VirtualClock) -> None:
    """Between two polls of ten minutes anybody can replace it."""
    far = Replaceable()
    async with serving(far) as wire, Running(link(wire.port, meter(600)), virtual) as running:
        await virtual.sleep(601)
        far.serial, far.energy = (8, 8), 5
        await virtual.sleep(600)
    assert told(running.seen.samples) == ["meter", "1000", "1000", "new meter", "5"]


async def test_a_number_that_is_read_wrong_once_changes_nothing(virtual: VirtualClock) -> None:
    far, wrong = Replaceable(), iter([(7, 7), (7, 6), (7, 7), (7, 7)])

    def behaviour(asked: Asked) -> Sequence[bytes]:
        return [asked.reply(next(wrong))] if asked.addr == 900 else far(asked)

    async with serving(behaviour) as wire, Running(link(wire.port, meter(60)), virtual) as running:
        await virtual.sleep(125)
    assert told(running.seen.samples) == ["meter", "1000", "1000", "1000"]


@pytest.mark.parametrize("fault", ["refuses", "mute", "zeros"])
async def test_a_device_that_does_not_say_who_it_is_is_read_all_the_same(
    fault: str, virtual: VirtualClock
) -> None:
    far = Replaceable()
    far.refuses, far.mute = fault == "refuses", fault == "mute"
    far.serial = (0, 0) if fault == "zeros" else (7, 7)
    async with serving(far) as wire, Running(link(wire.port, meter(), timeout=0.5), virtual) as running:
        await virtual.sleep(95)
    course = told(running.seen.samples)
    before = {"refuses": [], "mute": ["no_reply"] + ["unproven"] * 3, "zeros": ["unproven"] * 3}[fault]
    assert course == before + ["1000"] * (10 - len(before))
    power = [one.value for one in running.seen.of("meter.power")]
    assert set(power[1:]) == {42}, "what does not count is read meanwhile"
    assert far.asked.count(900) <= 4


async def test_a_person_who_reads_sees_the_counter_as_it_stands(virtual: VirtualClock) -> None:
    async with serving(Replaceable()) as wire:
        energy, power = await link(wire.port, meter()).read((), virtual)
    assert (energy.sample.value, power.sample.value) == (1000, 42)


async def test_a_device_without_counters_is_not_asked(virtual: VirtualClock) -> None:
    far = Replaceable()
    gauges = {"power": ModbusPoint(addr=20)}
    async with serving(far) as wire, Running(link(wire.port, meter(points=gauges)), virtual):
        await virtual.sleep(60)
    assert 900 not in far.asked


class Site:
    """A product of the counter's increase, and what it keeps from one run of the gateway to the next."""

    def __init__(self, driver: object) -> None:
        points = tuple(one for one in driver.points() if one.kind is Kind.COUNTER)  # type: ignore[attr-defined]
        window = Window(length="1s", statistics=("delta",), late=Duration(0.2))
        self.product = Product(
            id="energy",
            points=points,
            published=points,
            steps=(window,),
            window=1,
            span="1s",
            statistics=("delta",),
        )
        self.saved: object | None = None
        self.figures: list[Aggregate] = []

    async def live(self, running: Running, clock: SystemClock, count: int) -> None:
        """Run until *count* more windows have been published."""
        pipeline = Pipeline(self.product, zone=ZoneInfo("UTC"), now=clock.now(), saved=self.saved)
        fed, until = 0, len(self.figures) + count
        while len(self.figures) < until:
            await running.seen.until(len(running.seen.of("meter.energy")) + 1, "meter.energy")
            ready = pipeline.feed(running.seen.samples[fed:])
            fed = len(running.seen.samples)
            now = clock.now()
            ready += pipeline.tick(Instant(now.boot, now.utc, synced=True))
            self.figures += [one for one in ready if isinstance(one, Aggregate)]
            if ready:
                self.saved = pipeline.save(stopping=False)


@pytest.mark.parametrize("replaced", [True, False])
async def test_over_a_restart_no_delta_spans_two_meters(replaced: bool) -> None:
    """With a real server: the meter is replaced while the gateway is down, and the new one stands higher."""
    clock = SystemClock()
    with libmodbus.serve() as far:
        far.set("holding", 900, [1, 2])
        far.set("holding", 10, [0, 1000])
        driver = link(far.port, meter(0.1))
        site = Site(driver)
        async with Running(driver, clock) as running:
            await site.live(running, clock, 2)
        far.set("holding", 10, [7, 0])
        far.set("holding", 900, [1, 3 if replaced else 2])
        async with Running(driver, clock) as running:
            running.desk = Desk()
            await site.live(running, clock, 2)
    deltas = [one.values[0] for one in site.figures if one.values[0]]
    assert deltas == ([] if replaced else [(7 << 16) - 1000])
    assert ("new_meter" in {one.why for one in site.figures}) is replaced


async def test_a_device_that_says_another_number_each_time_is_believed_when_it_says_one_twice(
    virtual: VirtualClock,
) -> None:
    far, number = Replaceable(), iter(range(100, 200))

    def behaviour(asked: Asked) -> Sequence[bytes]:
        return (
            [asked.reply((next(number), 1))] if asked.addr == 900 and virtual.boot() > shaky else far(asked)
        )

    async with serving(behaviour) as wire:
        shaky = virtual.boot() + 5
        async with Running(link(wire.port, meter(600)), virtual) as running:
            await virtual.sleep(610)
            assert told(running.seen.samples)[:2] == ["meter", "1000"]
            assert "new meter" not in told(running.seen.samples)
            assert told(running.seen.samples)[-1] == "unproven"
            shaky = float("inf")
            await virtual.sleep(600)
        assert told(running.seen.samples)[-1] == "1000"


async def test_a_device_that_never_tells_its_number_is_not_waited_for(virtual: VirtualClock) -> None:
    far = Replaceable()
    far.mute = True
    async with serving(far) as wire, Running(link(wire.port, meter()), virtual) as running:
        await virtual.sleep(7200)
    course = told(running.seen.samples)
    assert course[:5] == ["no_reply", "unproven", "unproven", "unproven", "1000"]
    assert set(course[4:]) == {"1000"}
