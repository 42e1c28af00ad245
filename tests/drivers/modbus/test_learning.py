"""What a device refuses is learnt once, kept over a restart, and doubted in time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.clock import SystemClock
from agent.core.driver import Desk, Driver
from agent.core.notes import Notes
from drivers.modbus.device import ModbusDevice
from drivers.modbus.learnt import Learnt
from drivers.modbus.lore import Lore, Refusals
from drivers.modbus.point import ModbusPoint
from drivers.modbus.registers import Registers
from tests.drivers.modbus.wire import Asked, serving
from tests.drivers.test_modbus_tcp import SDM120, Running, device, link, registers
from tests.peers import libmodbus
from tests.virtual import VirtualClock, simulate

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


class Refusing:
    """A device that lacks some registers; it counts what it was asked and what it refused."""

    def __init__(self, *lacking: int) -> None:
        self.lacking: Collection[int] = lacking
        self.silent = False
        self.longest = 125
        self.firmware = b""
        self.asked: list[Asked] = []
        self.refused: list[tuple[int, int, int]] = []

    def __call__(self, asked: Asked) -> Sequence[bytes | float]:
        self.asked.append(asked)
        if asked.function == 0x2B:
            texts = bytes((0, len(self.firmware))) + self.firmware
            known = bool(self.firmware)
            return [asked.frame_of(b"\x2b\x0e\x01\x01\x00\x00\x01" + texts) if known else asked.refusal(1)]
        if asked.count > self.longest:
            return [] if self.silent else [asked.refusal(3)]
        if any(asked.addr <= one < asked.addr + asked.count for one in self.lacking):
            self.refused.append((asked.unit, asked.addr, asked.count))
            return [] if self.silent else [asked.refusal(2)]
        return [asked.reply()]

    def anew(self) -> None:
        self.asked.clear()
        self.refused.clear()

    @property
    def requests(self) -> list[tuple[int, int]]:
        return [(one.addr, one.count) for one in self.asked if one.function == 3]


class Life(Running):
    """A run of the link with the notes of an earlier one."""

    def __init__(self, driver: Driver, clock: VirtualClock | SystemClock, notes: Notes) -> None:
        super().__init__(driver, clock)
        self.desk = Desk(notes)

    def values(self, point: str) -> set[float | None]:
        return {one.value for one in self.seen.of(point)}


# --- a restart --------------------------------------------------------------------------------------


async def test_after_a_restart_nothing_is_asked_that_is_known_to_be_refused() -> None:
    """Against libmodbus: it answers exception 2 to what lies beyond its 10,000 registers."""
    notes = Notes()
    meter_points = registers(*range(9_950, 9_999), 10_020, 57, 12_000)
    with libmodbus.serve() as meter:
        for life in range(2):
            async with Life(link(meter.port, device(meter_points)), SystemClock(), notes) as running:
                await running.seen.until(4, "meter.r57", 57)
            asked = meter.requests()
            beyond = [one for one in asked if one[1] == 3 and one[2] + one[3] > 10_000]
            assert bool(beyond) is (life == 0), asked
            assert [one for one in asked if one[1] == 0x2B] == [] or life == 0
    assert running.values("meter.r10020") == {None}
    assert running.values("meter.r9998") == {9998}


async def test_the_second_life_reads_as_the_first_one_learnt(virtual: VirtualClock) -> None:
    known = {addr + i for addr in SDM120 for i in (0, 1)}
    meter = Refusing(*(set(range(0x200)) - known))
    points = {f"p{addr}": ModbusPoint(addr=addr, type="u32") for addr in SDM120}
    notes = Notes()
    async with serving(meter) as wire:
        driver = link(wire.port, device(points, every=10.0))
        async with Life(driver, virtual, notes):
            await virtual.sleep(65)
        assert meter.refused
        meter.anew()
        async with Life(driver, virtual, notes) as running:
            await virtual.sleep(15)
    assert meter.refused == []
    assert len(meter.requests) == 2 * 8, "the fewest that never read a hole, at once"
    assert {one.value for one in running.seen.samples} == {float(addr << 16 | addr + 1) for addr in SDM120}


async def test_another_map_is_another_type_and_knows_nothing(virtual: VirtualClock) -> None:
    meter, notes = Refusing(5), Notes()
    async with serving(meter) as wire:
        for points in (registers(*range(10)), registers(*range(11))):
            async with Life(link(wire.port, device(points, every=10.0)), virtual, notes) as running:
                await virtual.sleep(5)
            assert meter.refused
            meter.anew()
        assert running.values("meter.r10") == {10}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda note: {},
        lambda note: [],
        lambda note: "rust",
        lambda note: {**note, "refused": [["holding", -1, 1, 0.0, 60.0, 60.0]]},
        lambda note: {**note, "refused": [{"table": "coils"}]},
        lambda note: {**note, "longest": 1, "beyond": [one | {"due": 9e99} for one in note["refused"]]},
        lambda note: {**note, "refused": [one | {"due": 9e99} for one in note["refused"]]},
        lambda note: {**note, "refused": [one | {"due": -9e99} for one in note["refused"]]},
    ],
)
async def test_a_damaged_note_costs_requests_and_never_a_value(
    spoil: Callable[[Any], Any], virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    meter, notes = Refusing(5), Notes()
    async with serving(meter) as wire:
        driver = link(wire.port, device(registers(*range(10)), every=10.0))
        async with Life(driver, virtual, notes):
            await virtual.sleep(5)
        for key, note in list(notes._documents.items()):
            notes.put(key, spoil(note))
        async with Life(driver, virtual, notes) as running:
            await virtual.sleep(25)
    assert [running.values(f"meter.r{i}") for i in range(10)] == [
        {i} if i != 5 else {None} for i in range(10)
    ]
    told = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(told) <= 2, "a line for each note that is of no use"


# --- devices of a type ------------------------------------------------------------------------------


async def test_ten_meters_of_a_type_learn_its_stretches_once(virtual: VirtualClock) -> None:
    known = {addr + i for addr in SDM120 for i in (0, 1)}
    meter = Refusing(*(set(range(0x200)) - known))
    points = {f"p{addr}": ModbusPoint(addr=addr, type="u32") for addr in SDM120}
    meters = [device(points, f"m{unit}", unit=unit, every=10.0) for unit in range(1, 11)]
    costs = []
    for count in (1, 10):
        meter.anew()
        async with (
            serving(meter) as wire,
            Life(link(wire.port, *meters[:count]), virtual, Notes()) as running,
        ):
            await virtual.sleep(65)
        costs.append(len(meter.refused))
        assert len(meter.requests) < 7 * 9 * count + costs[-1] + 10
    alone, together = costs
    assert together <= alone + 9, "each of them meets what it cannot have once at most"
    for one in meters:
        assert running.values(f"{one.name}.p70") == {70 << 16 | 71}


async def test_a_point_that_one_meter_lacks_is_not_taken_from_the_others(virtual: VirtualClock) -> None:
    meter = Refusing(5)

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        return meter(asked) if asked.unit == 1 else [asked.reply()]

    meters = [device(registers(*range(10)), f"m{unit}", unit=unit, every=10.0) for unit in (1, 2)]
    notes = Notes()
    async with serving(behaviour) as wire:
        for _ in range(2):
            async with Life(link(wire.port, *meters), virtual, notes) as running:
                await virtual.sleep(300)
            assert running.values("m1.r5") == {None}
            assert running.values("m2.r5") == {5}


# --- doubt ------------------------------------------------------------------------------------------


async def test_a_hole_is_asked_about_ever_more_rarely_and_then_once_a_day(virtual: VirtualClock) -> None:
    meter = Refusing(3, 5, 7)
    async with (
        serving(meter) as wire,
        Life(link(wire.port, device(registers(*range(10)), every=100.0)), virtual, Notes()),
    ):
        await virtual.sleep(MINUTE)
        meter.anew()
        await virtual.sleep(1.5 * DAY)
        assert 3 * 9 <= len(meter.refused) <= 3 * 11
        meter.anew()
        await virtual.sleep(2 * DAY)
    assert len(meter.refused) <= 3 * 4
    assert {count for _, _, count in meter.refused} == {1}, "each with one request of its own"


async def test_a_device_that_answers_is_believed(virtual: VirtualClock) -> None:
    meter = Refusing(5)
    async with (
        serving(meter) as wire,
        Life(link(wire.port, device(registers(*range(10)), every=50.0)), virtual, Notes()) as running,
    ):
        await virtual.sleep(DAY)
        assert running.values("meter.r5") == {None}
        meter.lacking = ()
        await virtual.sleep(DAY + 60)
        assert running.values("meter.r5") == {None, 5}
        meter.anew()
        await virtual.sleep(125)
        assert set(meter.requests) == {(0, 10)}, "and read with its neighbours again"


async def test_a_point_that_has_answered_before_is_asked_about_every_ten_minutes(
    virtual: VirtualClock,
) -> None:
    """An inverter refuses at night what it gives by day."""
    meter = Refusing()
    async with (
        serving(meter) as wire,
        Life(link(wire.port, device(registers(*range(10)), every=50.0)), virtual, Notes()) as running,
    ):
        await virtual.sleep(HOUR)
        meter.lacking = (5,)
        await virtual.sleep(12 * HOUR)
        assert running.seen.of("meter.r5")[-1].value is None
        meter.lacking = ()
        dawn = virtual.boot()
        await virtual.sleep(11 * MINUTE)
        assert (
            next(one.at for one in running.seen.of("meter.r5") if one.value == 5 and one.at > dawn)
            < dawn + 610
        )


async def test_a_hole_of_a_device_that_was_replaced_is_doubted_soon(virtual: VirtualClock) -> None:
    meter, notes = Refusing(5), Notes()
    async with serving(meter) as wire:
        driver = link(wire.port, device(registers(*range(10)), every=100.0))
        async with Life(driver, virtual, notes):
            await virtual.sleep(DAY)
        meter.lacking = ()
        async with Life(driver, virtual, notes) as running:
            await virtual.sleep(13 * MINUTE)
    assert running.seen.of("meter.r5")[-1].value == 5


@pytest.mark.parametrize("changes", [False, True])
async def test_another_firmware_is_asked_anew_at_once(changes: bool, virtual: VirtualClock) -> None:
    meter, notes = Refusing(5), Notes()
    meter.firmware = b"1.0"
    async with serving(meter) as wire:
        driver = link(wire.port, device(registers(*range(10)), every=10.0))
        async with Life(driver, virtual, notes):
            await virtual.sleep(15)
        assert [one.function for one in meter.asked].count(0x2B) == 1
        meter.firmware, meter.lacking = (b"1.1", ()) if changes else (b"1.0", (5,))
        meter.anew()
        async with Life(driver, virtual, notes) as running:
            await virtual.sleep(25)
    assert running.seen.of("meter.r5")[-1].value == (5 if changes else None)
    assert meter.refused == []


async def test_firmware_may_stand_in_registers(virtual: VirtualClock) -> None:
    meter, notes, version = Refusing(5), Notes(), 100

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        return [asked.reply([version, 7])] if asked.addr == 500 else meter(asked)

    async with serving(behaviour) as wire:
        one = ModbusDevice(name="meter", points=registers(*range(10)), firmware=Registers(addr=500))
        driver = link(wire.port, one)
        async with Life(driver, virtual, notes):
            await virtual.sleep(15)
        version, meter.lacking = 101, ()
        async with Life(driver, virtual, notes) as running:
            await virtual.sleep(25)
        assert running.seen.of("meter.r5")[-1].value == 5
        assert {asked.function for asked in wire.asked} == {3}


# --- silence ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("others", [(), (2000, 3000)])
@pytest.mark.parametrize("longest", [60, 20, 6])
async def test_a_device_that_is_silent_on_long_requests_is_asked_for_less(
    longest: int, others: tuple[int, ...], virtual: VirtualClock
) -> None:
    meter = Refusing()
    meter.silent, meter.longest = True, longest
    points = registers(*range(100), *others)
    async with (
        serving(meter) as wire,
        Life(link(wire.port, device(points, every=20.0), timeout=0.5), virtual, Notes()) as running,
    ):
        await virtual.sleep(20 * MINUTE)
        for i in range(100):
            assert running.seen.of(f"meter.r{i}")[-1].value == i
        meter.anew()
        await virtual.sleep(HOUR)
        silent = sum(1 for one in meter.asked if one.count > longest)
        assert silent <= 3, "and hardly ever asked for more"
        assert (
            max(one.at for one in running.seen.of("meter.r99") if one.value is None) < virtual.boot() - HOUR
        )


async def test_a_device_that_is_silent_on_one_register_loses_no_other(virtual: VirtualClock) -> None:
    meter = Refusing(41)
    meter.silent = True
    meter_of = device(registers(*range(32, 52)), every=50.0)
    async with (
        serving(meter) as wire,
        Life(link(wire.port, meter_of, timeout=0.5), virtual, Notes()) as life,
    ):
        await virtual.sleep(30 * MINUTE)
        assert life.values("meter.r41") == {None}
        assert life.seen.of("meter.r40")[-1].value == 40
        meter.anew()
        await virtual.sleep(HOUR)
        assert len(meter.refused) <= 6
        meter.lacking = ()
        await virtual.sleep(4 * HOUR)
        assert life.seen.of("meter.r41")[-1].value == 41


async def test_a_dead_device_teaches_nothing_about_lengths(virtual: VirtualClock) -> None:
    meter, notes = Refusing(), Notes()
    async with (
        serving(meter) as wire,
        Life(
            link(wire.port, device(registers(*range(100)), every=10.0), timeout=0.5), virtual, notes
        ) as running,
    ):
        await virtual.sleep(MINUTE)
        meter.silent, meter.longest = True, 0
        await virtual.sleep(HOUR)
        meter.longest = 125
        await virtual.sleep(2 * MINUTE)
        meter.anew()
        await virtual.sleep(2 * MINUTE)
        assert set(meter.requests) == {(0, 100)}
        assert running.seen.of("meter.r99")[-1].value == 99
    assert notes._documents == {}


# --- whatever a note says ---------------------------------------------------------------------------

places = st.tuples(st.integers(0, 30), st.integers(1, 12))
kept = st.builds(
    lambda place, due, wait: {
        "table": "holding", "start": place[0], "size": place[1], "due": due, "wait": wait, "most": DAY,
    },
    places, st.floats(-1e9, 1e12), st.floats(0, DAY),
)  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(
    st.lists(kept, max_size=12),
    st.lists(kept, max_size=12),
    st.integers(0, 40),
    st.sets(st.integers(0, 30), max_size=5),
)
def test_no_note_keeps_a_point_from_being_read(
    holes: list[Any], stretches: list[Any], longest: int, lacking: set[int]
) -> None:
    """Notes of another device altogether: within the hour each point that there is has a right value."""
    simulate(_stale(VirtualClock(), holes, stretches, longest, lacking))


async def _stale(
    clock: VirtualClock, holes: list[Any], stretches: list[Any], longest: int, lacking: set[int]
) -> None:
    meter, notes = Refusing(*lacking), Notes()
    points = registers(*range(0, 31, 2)) | {"wide": ModbusPoint(addr=11, type="u32")}
    async with serving(meter) as wire:
        driver = link(wire.port, device(points, every=100.0))
        async with Life(driver, clock, notes) as first:
            await clock.sleep(1)
        assert first.seen.samples
        for key in ("modbus/type", "modbus/device/room/meter"):
            typed = next((one for one in notes._documents if one.startswith(key)), "")
            if typed:
                notes.put(typed, {"longest": longest, "refused": stretches, "beyond": holes[:1]})
                notes.put(typed, {"refused": holes}) if "device" in key else None
        async with Life(driver, clock, notes) as running:
            await clock.sleep(HOUR)
    for name, point in points.items():
        absent = any(addr in lacking for addr in range(point.addr, point.addr + point.words))
        right = float(point.addr) if point.words == 1 else float(point.addr << 16 | point.addr + 1)
        assert running.values(f"meter.{name}") <= {None, right}
        assert running.seen.of(f"meter.{name}")[-1].value == (None if absent else right)


async def test_a_device_that_is_busy_when_it_is_asked_about_a_hole_is_asked_again_soon(
    virtual: VirtualClock,
) -> None:
    meter = Refusing(5)
    busy = False

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        return [asked.refusal(6)] if busy and (asked.addr, asked.count) == (5, 1) else meter(asked)

    async with (
        serving(behaviour) as wire,
        Life(link(wire.port, device(registers(*range(10)), every=50.0)), virtual, Notes()) as running,
    ):
        await virtual.sleep(HOUR)
        busy = True
        await virtual.sleep(4 * HOUR)
        meter.lacking, busy = (), False
        await virtual.sleep(3 * MINUTE)
    assert running.seen.of("meter.r5")[-1].value == 5


async def test_a_device_that_does_not_say_who_it_is_just_now_is_thought_to_be_the_same(
    virtual: VirtualClock,
) -> None:
    meter = Refusing(5)
    meter.firmware = b"1.0"
    away = mute = False

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        return [] if away or (mute and asked.function == 0x2B) else meter(asked)

    async with (
        serving(behaviour) as wire,
        Life(link(wire.port, device(registers(*range(10)), every=10.0)), virtual, Notes()),
    ):
        await virtual.sleep(30)
        away = True
        await virtual.sleep(10 * MINUTE)
        away, mute = False, True
        meter.anew()
        await virtual.sleep(MINUTE)
        assert [one for one in wire.asked if one.function == 0x2B]
        assert meter.requests
        assert (0, 10) not in meter.requests, "its hole is still known"


def test_a_refusal_is_noted_once_and_not_for_ever_more() -> None:
    refusals = Refusals()
    assert refusals.add(("holding", 5, 1), 0.0, wait=60.0, most=DAY)
    assert not refusals.add(("holding", 5, 1), 1.0, wait=60.0, most=DAY)
    for number in range(10_000):
        refusals.add(("holding", number, 2), 0.0, wait=60.0, most=DAY)
    assert len(refusals.known) < 2_000


def test_whether_a_refusal_is_due_is_looked_at_every_ten_seconds_at_most() -> None:
    one = device(registers(1, 2))
    learnt = Learnt(one, one.spans(), Lore(Notes(), SystemClock(), "room"))
    assert learnt.question(5.0) is None
    assert learnt.next_question == 15.0
    assert learnt.question(14.0) is None
    assert learnt.next_question == 15.0
