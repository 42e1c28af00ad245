"""What a device does not give as a whole is halved until what it gives is found, at a price that is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.core.notes import Notes
from drivers.modbus.cutting import Cutter, is_silent
from drivers.modbus.device import ModbusDevice
from drivers.modbus.learnt import Cut, Learnt
from drivers.modbus.lore import Lore
from drivers.modbus.plan import Block, Span
from drivers.modbus.point import ModbusPoint
from drivers.modbus.request import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Answer, Fault
from tests.virtual import VirtualClock

SPANS = tuple(Span("holding", 10 * n, 2, f"p{n}") for n in range(8))
WHOLE = Block("holding", 0, 72, SPANS)
SILENCE = Fault("no_reply", 0.0, 0, 1.0)
Device = Callable[[Block], Answer | Fault]


def lacks(*names: str, reply: Fault = SILENCE) -> Device:
    """Give a device that answers with *reply* to whatever covers one of the points *names*."""
    return lambda block: reply if any(one.name in names for one in block.spans) else Answer(b"", 0.0, 0.1)


async def cut(
    device: Device, clock: VirtualClock, *, by_silence: bool, first: Fault
) -> tuple[Cut, list[str]]:
    """Cut the whole; give what came of it, and what was asked for."""
    asked: list[str] = []

    async def ask(block: Block) -> Answer | Fault:
        asked.append(names(block))
        return device(block)

    points = {one.name: ModbusPoint(addr=one.start, type="u32") for one in SPANS}
    learnt = Learnt(ModbusDevice(name="meter", points=points), SPANS, Lore(Notes(), clock))
    return await Cutter(ask, learnt, clock, by_silence=by_silence).cut(WHOLE, first), asked


def names(block: Block) -> str:
    return " ".join(one.name for one in block.spans)


async def test_a_refusal_is_followed_to_the_one_value_that_the_device_has_not(virtual: VirtualClock) -> None:
    refusal = Fault("illegal_address", 0.0, ILLEGAL_ADDRESS)
    found, asked = await cut(lacks("p5", reply=refusal), virtual, by_silence=False, first=refusal)
    assert asked == ["p0 p1 p2 p3", "p4 p5 p6 p7", "p4 p5", "p4", "p5", "p6 p7"]
    assert [names(one) for one in found.bad] == ["p0 p1 p2 p3 p4 p5 p6 p7", "p4 p5 p6 p7", "p4 p5", "p5"]
    assert [names(one.block) for one in found.parts] == ["p0 p1 p2 p3", "p4", "p5", "p6 p7"]
    assert (found.length, found.ended, found.speaks) == (False, True, True)


async def test_where_the_number_of_registers_is_refused_the_length_may_be_the_trouble(
    virtual: VirtualClock,
) -> None:
    refusal = Fault("exception", 0.0, ILLEGAL_VALUE)
    found, _ = await cut(lacks(), virtual, by_silence=False, first=refusal)
    assert (found.length, len(found.parts)) == (True, 2)


async def test_a_silence_is_followed_too_and_a_value_is_asked_for_twice_before_it_is_given_up(
    virtual: VirtualClock,
) -> None:
    found, asked = await cut(lacks("p5"), virtual, by_silence=True, first=SILENCE)
    assert asked == ["p0 p1 p2 p3", "p4 p5 p6 p7", "p4 p5", "p4", "p5", "p5", "p6 p7"]
    assert [names(one) for one in found.bad][-1] == "p5"
    assert (found.length, found.ended, found.speaks) == (True, True, True)


async def test_a_reply_that_is_lost_once_costs_no_value(virtual: VirtualClock) -> None:
    lost = [True]

    def device(block: Block) -> Answer | Fault:
        if any(one.name == "p5" for one in block.spans) and (len(block.spans) > 1 or lost):
            if len(block.spans) == 1:
                lost.clear()
            return SILENCE
        return Answer(b"", 0.0, 0.1)

    found, asked = await cut(device, virtual, by_silence=True, first=SILENCE)
    assert asked.count("p5") == 2
    assert "p5" not in [names(one) for one in found.bad]


async def test_cutting_by_silence_ends_after_nine_waits_and_says_so(virtual: VirtualClock) -> None:
    found, asked = await cut(lacks(*(f"p{n}" for n in range(8))), virtual, by_silence=True, first=SILENCE)
    assert len(asked) == 9
    assert (found.ended, found.speaks) == (False, False)


async def test_a_device_that_answers_a_part_and_then_no_more_is_not_said_to_speak(
    virtual: VirtualClock,
) -> None:
    refusal = Fault("illegal_address", 0.0, ILLEGAL_ADDRESS)
    found, asked = await cut(lacks("p5"), virtual, by_silence=False, first=refusal)
    assert asked == ["p0 p1 p2 p3", "p4 p5 p6 p7"]
    assert (found.ended, found.speaks) == (False, False)


async def test_a_device_that_falls_silent_altogether_is_not_said_to_speak(virtual: VirtualClock) -> None:
    found, asked = await cut(
        lacks(*(f"p{n}" for n in range(8))), virtual, by_silence=False, first=Fault("illegal_address", 0.0, 2)
    )
    assert asked == ["p0 p1 p2 p3"], "one silence where it has spoken is enough"
    assert (found.ended, found.speaks) == (False, False)


@pytest.mark.parametrize(
    ("reply", "silent"),
    [(Answer(b"", 0.0), False), (SILENCE, True), (Fault("illegal_address", 0.0, 2), False)],
)
def test_an_answer_and_a_refusal_are_no_silence(reply: Answer | Fault, *, silent: bool) -> None:
    assert is_silent(reply) is silent
