"""A link without numbered replies, against every way of answering wrongly: never a wrong value."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from agent.core.errors import DriverError
from drivers.modbus.figures import NOISE_HINT, Figures
from drivers.modbus.frames_rtu import RtuFrames
from drivers.modbus.link import Link
from drivers.modbus.request import UNSURE, Answer, Fault, Manners, Request
from drivers.modbus.way import TcpWay
from tests.drivers.modbus.rtu_wire import Answer as Behaviour
from tests.drivers.modbus.rtu_wire import Asked, RtuWire, rtu_serving
from tests.drivers.modbus.wire import CLOSE, RESET
from tests.virtual import VirtualClock

FOUR = Request(1, "holding", 10, 4, longer=(5, 6, 7, 8))
RIGHT = bytes((0, 10, 0, 11, 0, 12, 0, 13))


@asynccontextmanager
async def linked(
    behaviour: Behaviour | None, clock: VirtualClock, figures: dict[str, float | str] | None = None
) -> AsyncIterator[tuple[Link, RtuWire]]:
    async with rtu_serving(behaviour) as wire:
        way = TcpWay("127.0.0.1", wire.port, rtu=True)
        counted = Figures({} if figures is None else figures)
        async with Link(way, clock, counted, ceiling=1.0) as link:
            yield link, wire


WRONG: dict[str, Behaviour] = {
    "fewer registers than asked": lambda a: [a.reply([10, 11])],
    "more registers than asked": lambda a: [a.reply([10, 11, 12, 13, 14, 15, 16, 17, 18])],
    "another function": lambda a: [a.reply(function=4)],
    "another unit": lambda a: [a.reply(unit=2)],
    "unit 0": lambda a: [a.reply(unit=0)],
    "a wrong checksum": lambda a: [a.reply()[:-1] + b"\0"],
    "an odd number of bytes": lambda a: [a.frame_of(b"\x03\x07" + RIGHT[:7])],
    "a byte count that lies": lambda a: [a.frame_of(b"\x03\x04" + RIGHT)],
    "an exception of another function": lambda a: [a.frame_of(b"\x84\x02")],
    "exception number 0": lambda a: [a.frame_of(b"\x83\x00")],
    "its own echo": lambda a: [a.frame],
    "noise": lambda _: [b"\xff", b"\0\0\0", b"\xaa\x55"],
    "half a reply": lambda a: [a.reply()[:6]],
    "nothing": lambda _: [],
}


@pytest.mark.parametrize("how", WRONG)
async def test_a_wrong_reply_is_no_value_and_the_next_one_is_right(how: str, virtual: VirtualClock) -> None:
    async with linked(lambda a: WRONG[how](a) if len(wire.asked) == 1 else [a.reply()], virtual) as (
        link,
        wire,
    ):
        started = virtual.boot()
        fault = await link.ask(FOUR)
        assert isinstance(fault, Fault)
        assert fault.why in ("no_reply", "bad_reply")
        assert virtual.boot() - started == pytest.approx(1.0, abs=0.05)
        answer = await link.ask(FOUR)
        assert isinstance(answer, Answer)
        assert answer.data == RIGHT


@pytest.mark.parametrize("how", [name for name in WRONG if name != "half a reply"])
async def test_the_right_reply_is_found_behind_a_wrong_one(how: str, virtual: VirtualClock) -> None:
    async with linked(lambda a: [*WRONG[how](a), a.reply()], virtual) as (link, _):
        for _ in range(3):
            answer = await link.ask(FOUR)
            assert isinstance(answer, Answer)
            assert answer.data == RIGHT


async def test_a_reply_may_come_byte_by_byte(virtual: VirtualClock) -> None:
    async with linked(lambda a: [bytes((one,)) for one in a.reply()], virtual) as (link, _):
        answer = await link.ask(FOUR)
        assert isinstance(answer, Answer)
        assert answer.data == RIGHT


@pytest.mark.parametrize("ending", [CLOSE, RESET])
async def test_a_question_fails_at_once_when_the_connection_ends(
    ending: bytes, virtual: VirtualClock
) -> None:
    async with linked(
        lambda a: [a.reply()[:4], ending] if len(wire.asked) == 1 else [a.reply()], virtual
    ) as (link, wire):
        started = virtual.boot()
        with pytest.raises(DriverError, match="closed the connection"):
            await link.ask(FOUR)
        assert virtual.boot() - started < 0.1
        assert isinstance(await link.ask(FOUR), Answer)
        assert wire.most == 1


async def test_resets_in_a_row_leave_one_connection(virtual: VirtualClock) -> None:
    async with linked(lambda a: [RESET] if len(wire.asked) <= 50 else [a.reply()], virtual) as (link, wire):
        for _ in range(50):
            with pytest.raises(DriverError):
                await link.ask(FOUR)
        assert isinstance(await link.ask(FOUR), Answer)
        assert wire.most == 1


async def test_each_reply_that_comes_too_late_is_dropped(virtual: VirtualClock) -> None:
    """A line that answers each question with what the one before asked for never gives a value."""
    behind: list[bytes] = []

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        behind.append(asked.reply([7000 + len(behind)] * asked.count))
        return behind[-2:-1]

    async with linked(behaviour, virtual) as (link, wire):
        for _ in range(40):
            assert isinstance(await link.ask(FOUR), Fault)
        assert len({one.count for one in wire.asked}) == 5


async def test_after_a_timeout_the_next_request_has_another_length_until_one_is_answered(
    virtual: VirtualClock,
) -> None:
    async with linked(lambda a: [] if len(wire.asked) in (1, 2) else [a.reply()], virtual) as (link, wire):
        for _ in range(5):
            await link.ask(FOUR)
        assert [one.count for one in wire.asked] == [4, 5, 6, 4, 4]


async def test_bits_are_lengthened_by_bytes(virtual: VirtualClock) -> None:
    bits = Request(1, "coil", 0, 5, longer=(17, 25))
    async with linked(lambda a: [] if len(wire.asked) == 1 else [a.reply()], virtual) as (link, wire):
        assert isinstance(await link.ask(bits), Fault)
        answer = await link.ask(bits)
        assert isinstance(answer, Answer)
        assert answer.data == b"\x49", "bits 0, 3 and 6; the caller takes the five it asked for"
        assert [one.count for one in wire.asked] == [5, 17]


async def test_a_refusal_behind_a_timeout_is_asked_again_before_it_is_believed(virtual: VirtualClock) -> None:
    """A late refusal of one address is not the refusal of another."""

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        if len(wire.asked) == 1:
            return [1.2, asked.refusal(2)]
        return [asked.reply()]

    async with linked(behaviour, virtual) as (link, wire):
        assert isinstance(await link.ask(Request(1, "holding", 500, 4, longer=(5, 6))), Fault)
        answer = await link.ask(FOUR)
        assert isinstance(answer, Answer)
        assert answer.data == RIGHT
        assert [one.count for one in wire.asked] == [4, 5, 6]


async def test_a_unit_that_only_refuses_is_believed_in_the_end(
    virtual: VirtualClock,
) -> None:
    async with linked(lambda a: [] if len(wire.asked) == 1 else [a.refusal(2)], virtual) as (link, wire):
        assert isinstance(await link.ask(FOUR), Fault)
        words = [fault.why for fault in [await link.ask(FOUR) for _ in range(4)] if isinstance(fault, Fault)]
        assert words[0] == UNSURE
        assert words[-1] == "illegal_address"


async def test_units_do_not_share_ghosts_but_those_that_answer_as_any_do(virtual: VirtualClock) -> None:
    async with linked(lambda a: [] if len(wire.asked) == 1 else [a.reply()], virtual) as (link, wire):
        await link.ask(FOUR)
        await link.ask(Request(2, "holding", 10, 4, longer=(5,)))
        assert [one.count for one in wire.asked] == [4, 4]
    lax = Manners(any_unit=True)
    async with linked(lambda a: [] if len(wire.asked) == 1 else [a.reply(unit=0)], virtual) as (link, wire):
        await link.ask(Request(1, "holding", 10, 4, longer=(5,), manners=lax))
        answer = await link.ask(Request(2, "holding", 10, 4, longer=(5,), manners=lax))
        assert isinstance(answer, Answer)
        assert [one.count for one in wire.asked] == [4, 5]


async def test_a_line_that_echoes_bits_is_not_believed(virtual: VirtualClock) -> None:
    """17 coils from 0x300 on are answered by three bytes: as long as the request, which begins alike."""
    async with linked(lambda a: [a.frame, 0.1, a.reply()], virtual) as (link, wire):
        bits = Request(1, "coil", 0x300, 17, longer=(25,))
        answer = await link.ask(bits)
        assert isinstance(answer, Answer)
        assert wire.asked[0].count == 25
        assert answer.data == wire.asked[0].reply()[3:6]


async def test_another_master_is_noticed_and_named(virtual: VirtualClock) -> None:
    stranger = [
        Asked(bytes((9, 3, 0, i, 0, 1, 0, 0))).frame_of(bytes((3, 0, i, 0, 1)), unit=9) for i in range(9)
    ]
    figures: dict[str, float | str] = {}
    async with linked(lambda a: [stranger[len(wire.asked) % 9], a.reply()], virtual, figures) as (link, wire):
        for _ in range(3):
            assert isinstance(await link.ask(FOUR), Answer)
        with pytest.raises(DriverError, match=r"another master speaks on 127\.0\.0\.1 port \d+ \(3 frames"):
            await link.ask(FOUR)
        assert figures["foreign_frames"] == 3


async def test_listening_finds_another_master_before_anything_is_asked(virtual: VirtualClock) -> None:
    async with linked(None, virtual) as (link, wire):
        listening = asyncio.create_task(link.listen(10.0))
        await virtual.sleep(5)
        for writer in wire.writers:
            writer.write(Asked(bytes(8)).frame_of(bytes((3, 0, 0, 0, 1)), unit=4))
        with pytest.raises(DriverError, match="another master"):
            await listening
        assert not wire.asked


async def test_a_quiet_line_is_listened_to_in_vain(virtual: VirtualClock) -> None:
    async with linked(None, virtual) as (link, _):
        begun = virtual.boot()
        await link.listen(10.0)
        assert virtual.boot() - begun == pytest.approx(10.0)
        assert isinstance(await link.ask(FOUR), Answer)


async def test_noise_is_counted_and_hints_at_the_wiring(virtual: VirtualClock) -> None:
    figures: dict[str, float | str] = {}
    async with linked(lambda a: [b"\xff\0\xff", a.reply()], virtual, figures) as (link, _):
        for _ in range(20):
            await link.ask(FOUR)
        assert figures["noise_bytes"] == 57, "the last three are named with the next question"
        assert figures["hint"] == NOISE_HINT
        assert figures["timeouts"] == 0


async def test_a_device_gets_the_rest_that_it_needs(virtual: VirtualClock) -> None:
    slow = Request(1, "holding", 0, 1, manners=Manners(gap=0.25))
    async with linked(None, virtual) as (link, wire):
        for _ in range(3):
            await link.ask(slow)
            await link.ask(Request(2, "holding", 0, 1))
        at = [when for when, one in zip(wire.at, wire.asked, strict=True) if one.unit == 1]
        assert [later - earlier for earlier, later in pairwise(at)] == pytest.approx([0.25, 0.25], abs=0.01)


async def test_a_unit_in_quarantine_is_left_in_peace_by_all_who_ask_and_others_are_not(
    virtual: VirtualClock,
) -> None:
    two = Request(1, "holding", 10, 4)  # which cannot grow, so that a late reply could not be told apart
    async with linked(lambda a: [] if a.unit == 1 and len(wire.asked) == 1 else [a.reply()], virtual) as (
        link,
        wire,
    ):
        assert isinstance(await link.ask(two), Fault)
        begun = virtual.boot()
        first, second = asyncio.create_task(link.ask(two)), asyncio.create_task(link.ask(two))
        await virtual.sleep(0.1)
        assert isinstance(await link.ask(Request(2, "holding", 10, 4)), Answer)
        assert virtual.boot() - begun < 1
        for one in (await first, await second):
            assert isinstance(one, Answer)
            assert one.data == RIGHT
        assert virtual.boot() - begun >= 1


async def test_a_foreign_frame_now_and_then_is_an_accident_and_no_master(virtual: VirtualClock) -> None:
    def behaviour(asked: Asked) -> Sequence[bytes]:
        number = len(wire.asked)
        return (
            [asked.frame_of(bytes((3, 0, number, 0, 1)), unit=9), asked.reply()]
            if number % 3 == 0
            else [asked.reply()]
        )

    async with linked(behaviour, virtual) as (link, wire):
        for _ in range(30):
            assert isinstance(await link.ask(FOUR), Answer)
            await virtual.sleep(400)


async def test_noise_while_nothing_is_asked_does_not_grow_for_ever(virtual: VirtualClock) -> None:
    figures: dict[str, float | str] = {}
    async with linked(None, virtual, figures) as (link, wire):
        assert isinstance(await link.ask(FOUR), Answer)
        for _ in range(20):
            for writer in wire.writers:
                writer.write(bytes(range(256)) * 4)
            await virtual.sleep(1)
        frames = link._frames
        assert isinstance(frames, RtuFrames)
        assert len(frames._buffer) <= 4096
        assert isinstance(await link.ask(FOUR), Answer)
        assert float(figures["noise_bytes"]) > 10_000


async def test_a_connection_that_ends_before_the_first_question_is_told_as_such(
    virtual: VirtualClock,
) -> None:
    async with rtu_serving(None) as wire:
        way = TcpWay("127.0.0.1", wire.port, rtu=True)
        async with Link(way, virtual, Figures({}), ceiling=1.0, connect_delay=5.0) as link:
            asking = asyncio.create_task(link.ask(FOUR))
            await virtual.sleep(1)
            for writer in list(wire.writers):
                writer.transport.abort()
            with pytest.raises(DriverError, match="before anything was asked"):
                await asking
        assert not wire.asked
