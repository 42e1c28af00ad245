"""Late replies over Modbus TCP: taken for what they are, while nobody else waits for them."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Sequence

import pytest

from agent.core.errors import DriverError
from drivers.modbus.figures import Figures
from drivers.modbus.link import Link
from drivers.modbus.request import Answer, Fault, Request
from drivers.modbus.way import TcpWay
from tests.drivers.modbus.wire import RESET, Asked, Wire, serving
from tests.drivers.modbus.wire import Answer as Behaviour
from tests.drivers.test_modbus_tcp import Running, device, link, registers
from tests.virtual import VirtualClock

CEILING = 1.0


def one_of(unit: int) -> Request:
    return Request(unit, "holding", 10 * unit, 1)


def right(unit: int) -> bytes:
    return struct.pack(">H", 10 * unit)


class Slowed:
    """Answers in order; what *late* names waits so long first."""

    def __init__(self) -> None:
        self.late: dict[int, Sequence[bytes | float]] = {}

    def __call__(self, asked: Asked) -> Sequence[bytes | float]:
        return [*self.late.pop(asked.unit, ()), asked.reply()]


async def _asked(wire: Wire, slowed: Slowed, clock: VirtualClock, *units: int) -> tuple[Link, list[object]]:
    """Ask all *units* at once over a link that has learnt how fast they are; give what came of it."""
    room = Link(TcpWay("127.0.0.1", wire.port), clock, Figures({}), ceiling=CEILING)
    late, slowed.late = slowed.late, {}
    for unit in units:
        assert isinstance(await room.ask(one_of(unit)), Answer)
    slowed.late = late
    found = await asyncio.gather(*(room.ask(one_of(unit)) for unit in units), return_exceptions=True)
    return room, list(found)


async def test_a_reply_later_than_the_timeout_is_taken_and_delays_nobody_who_could_be_asked(
    virtual: VirtualClock,
) -> None:
    slowed = Slowed()
    slowed.late = {1: [1.3]}
    async with serving(slowed) as wire:
        begun = virtual.boot()
        room, found = await _asked(wire, slowed, virtual, 1, 2, 3)
        answers = [one for one in found if isinstance(one, Answer)]
        assert [one.data for one in answers] == [right(1), right(2), right(3)]
        assert [one.at - begun for one in answers] == [pytest.approx(1.3, abs=0.1)] * 3, "when they came"
        room.close()


async def test_a_reply_that_does_not_come_in_twice_the_timeout_is_given_up(virtual: VirtualClock) -> None:
    slowed = Slowed()
    slowed.late = {1: [2.5]}
    async with serving(slowed) as wire:
        room, found = await _asked(wire, slowed, virtual, 1)
        assert isinstance(found[0], Fault)
        await virtual.sleep(1)
        assert isinstance(await room.ask(one_of(1)), Answer)
        room.close()


async def test_who_waits_for_a_late_reply_hears_at_once_that_the_connection_has_ended(
    virtual: VirtualClock,
) -> None:
    slowed = Slowed()
    slowed.late = {1: [0.8, RESET]}
    async with serving(slowed) as wire:
        begun = virtual.boot()
        room, found = await _asked(wire, slowed, virtual, 1)
        assert isinstance(found[0], DriverError)
        assert virtual.boot() - begun < 0.9
        room.close()


async def test_nobody_is_asked_in_the_middle_of_a_reply(virtual: VirtualClock) -> None:
    """One that is cut short would be filled up with the next."""
    slowed, heads = Slowed(), [b"\0\3\0\0\0\5"]  # the header of the third question's reply
    slowed.late = {1: [*heads, 0.7]}

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        pieces = slowed(asked)
        return [heads[0], 0.7, asked.reply()[6:]] if len(pieces) > 1 else pieces

    async with serving(behaviour) as wire:
        begun = virtual.boot()
        room, found = await _asked(wire, slowed, virtual, 1, 2)
        assert [one.data for one in found if isinstance(one, Answer)] == [right(1), right(2)]
        assert [one.at - begun >= 0.7 for one in found if isinstance(one, Answer)] == [True, True]
        assert wire.ever == 1
        room.close()


def _late_now_and_then(clock: VirtualClock) -> Behaviour:
    """Answer in order, 1.3 s late every two seconds; each register holds the second in which it is asked."""
    due = clock.boot() + 5

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        nonlocal due
        reply = asked.reply([int(clock.boot())] * asked.count)
        if clock.boot() < due:
            return [reply]
        due = clock.boot() + 2.0
        return [1.3, reply]

    return behaviour


async def test_of_ten_units_that_wait_for_each_others_late_replies_none_loses_a_second(
    virtual: VirtualClock,
) -> None:
    units = [device(registers(0), f"u{unit}", unit=unit, every=1.0) for unit in range(1, 11)]
    async with serving(_late_now_and_then(virtual)) as wire:
        async with Running(link(wire.port, *units, timeout=CEILING), virtual) as running:
            await virtual.sleep(60.5)
        assert (wire.ever, wire.most) == (1, 1)
    assert {one.why for one in running.seen.samples} == {""}
    for unit in units:
        assert 59 <= len(running.seen.of(f"{unit.name}.r0")) <= 61


@pytest.mark.parametrize("says", [True, False])
async def test_a_silent_unit_costs_little_even_where_the_gateway_waits_for_it(
    virtual: VirtualClock, *, says: bool
) -> None:
    """It waits a second for its own serial line, and says so, or not; meanwhile it answers nobody."""
    units = [device(registers(0), f"u{unit}", unit=unit, every=1.0) for unit in range(1, 6)]

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        return [1.0, *([asked.refusal(0x0B)] * says)] if asked.unit == 3 else [asked.reply()]

    async with (
        serving(behaviour) as wire,
        Running(link(wire.port, *units, timeout=CEILING), virtual) as running,
    ):
        await virtual.sleep(60)
        before = sum(one.unit == 3 for one in wire.asked)
        await virtual.sleep(1200)
        probes = sum(one.unit == 3 for one in wire.asked) - before
    assert probes * 1.0 / 1200 < 0.02
    read = Counter(one.point for one in running.seen.samples if one.value is not None)
    assert all(read[f"{one.name}.r0"] >= 1200 for one in units if one.unit != 3), "nobody else is marked"


async def test_who_is_late_is_charged_with_what_others_had_to_wait_behind_it(virtual: VirtualClock) -> None:
    slowed = Slowed()
    async with serving(slowed) as wire:
        room = Link(TcpWay("127.0.0.1", wire.port), virtual, Figures({}), ceiling=CEILING)
        assert isinstance(await room.ask(one_of(1)), Answer)
        slowed.late = {1: [60.0]}  # it answers in order, and so nobody behind it is answered either
        first = asyncio.create_task(room.ask(one_of(1)))
        await virtual.sleep(0.3)
        await room.identify(2, 0.4)
        alone = await first
        assert isinstance(alone, Fault)
        assert alone.seconds < 0.3, "nobody who was answered waited behind it"
        room.close()

    def both(asked: Asked) -> Sequence[bytes | float]:
        return (
            []
            if asked.unit == 1 and len(wire.asked) > 1
            else [0.5, asked.reply()]
            if asked.unit == 2
            else [asked.reply()]
        )

    async with serving(both) as wire:
        room = Link(TcpWay("127.0.0.1", wire.port), virtual, Figures({}), ceiling=CEILING)
        assert isinstance(await room.ask(one_of(1)), Answer)
        first = asyncio.create_task(room.ask(one_of(1)))
        await virtual.sleep(0.3)
        assert isinstance(await room.ask(one_of(2), 0.9), Answer)
        charged = await first
        assert isinstance(charged, Fault)
        assert charged.seconds > 0.5
        room.close()
