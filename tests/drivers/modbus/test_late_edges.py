"""Replies that come late, byte for byte: what may be one is taken, what may be two is not."""

from __future__ import annotations

import asyncio
import struct

import pytest

from drivers.modbus.figures import Figures
from drivers.modbus.frames import Question
from drivers.modbus.frames_tcp import TcpFrames
from drivers.modbus.link import Link
from drivers.modbus.request import POLITE, Answer, Fault, Request
from drivers.modbus.session import Later, LinkLostError, Session
from drivers.modbus.way import TcpWay
from tests.drivers.modbus.test_session_ends import Wires
from tests.drivers.modbus.wire import serving
from tests.virtual import VirtualClock

ONE = Request(1, "holding", 10, 1)


def frame(number: int, body: bytes) -> bytes:
    return struct.pack(">HHHB", number, 0, len(body) + 1, 1) + body


def reply(number: int, *values: int) -> bytes:
    data = struct.pack(f">{len(values)}H", *values)
    return frame(number, bytes((3, len(data))) + data)


def asked(*sizes: int) -> TcpFrames:
    """Give frames that put questions 1, 2 ... for so many registers aside, and wait for one more."""
    frames = TcpFrames()
    for size in sizes:
        frames.ask(Question(1, b"\x03\0\0\0" + bytes((size,)), 2 * size, POLITE))
        assert frames.put_aside()
    frames.ask(Question(1, b"\x03\0\0\0\1", 2, POLITE))
    return frames


# --- frames -------------------------------------------------------------------------------------------


def test_a_late_reply_that_the_beginning_of_the_next_has_filled_up_is_not_given() -> None:
    frames = asked(2)
    # three bytes are missing; with three of the next it seems to be whole, and two more bytes have come
    frames.feed(reply(1, 7, 8)[:-3] + reply(2, 9)[:5])
    assert list(frames.late()) == []
    frames.feed(reply(2, 9)[5:])
    assert list(frames.late()) == []


@pytest.mark.parametrize("before", [0, 0x0100])
@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_late_reply_that_may_end_with_the_beginning_of_the_next_waits_for_what_follows(
    missing: int, before: int
) -> None:
    frames = TcpFrames()
    for _ in range(before):
        frames.ask(Question(1, b"\x03\0\0\0\1", 2, POLITE))
    frames.ask(Question(1, b"\x03\0\0\0\2", 4, POLITE))
    late = frames.put_aside()
    frames.ask(Question(1, b"\x03\0\0\0\1", 2, POLITE))
    following = reply(late + 1, 9)
    frames.feed(reply(late, 7, 8)[:-missing] + following[:missing])
    assert list(frames.late()) == []
    frames.feed(following[missing:])
    assert list(frames.late()) == [], "what followed was the rest of another"


def test_a_late_reply_of_the_last_number_is_as_strictly_looked_at_as_the_first_numbers_come_again() -> None:
    frames = TcpFrames()
    for _ in range(0xFFFE):
        frames.ask(Question(1, b"\x03\0\0\0\1", 2, POLITE))
    frames.ask(Question(1, b"\x03\0\0\0\x14", 40, POLITE))
    assert frames.put_aside() == 0xFFFF
    frames.ask(Question(1, b"\x03\0\0\0\1", 2, POLITE))
    frames.feed(reply(0xFFFF, *range(500, 520))[:-11] + reply(1, 5))
    assert list(frames.late()) == []


def test_a_late_reply_of_which_a_header_alone_came_has_swallowed_what_stands_behind_it() -> None:
    frames = TcpFrames()
    for _ in range(0x0303):
        frames.ask(Question(1, b"\x03\0\0\0\2", 4, POLITE))
    assert frames.put_aside() == 0x0303
    frames.ask(Question(1, b"\x03\0\0\0\1", 2, POLITE))
    # the number of the next reply reads as function 3 with four bytes, which are the next ones of its header
    frames.feed(reply(0x0303, 7, 8)[:7] + reply(0x0304, 9)[:6])
    assert list(frames.late()) == []


@pytest.mark.parametrize("between", [0, 1], ids=["the-next", "the-one-after"])
def test_a_late_reply_that_has_swallowed_another_whole_is_not_given(between: int) -> None:
    frames = asked(20, *[1] * between)
    for number in range(2, 3 + between):
        swallowed = reply(number, 5)
        assert list(frames.late()) == []
        frames.feed(reply(1, *range(500, 520))[: -len(swallowed)] + swallowed)
        assert list(frames.late()) == [], f"it holds the reply to {number}"


def test_a_late_reply_that_was_cut_short_at_once_and_has_swallowed_another_is_not_given() -> None:
    frames = TcpFrames()
    frames.ask(
        Question(1, b"\x01\0\0\0\x58", 11, POLITE)
    )  # 88 coils: as many bytes as a reply of one register
    assert frames.put_aside() == 1
    frames.ask(Question(1, b"\x03\0\0\0\1", 2, POLITE))
    frames.feed(frame(1, b"\x01\x0b" + bytes(11))[:9] + reply(2, 5))
    assert list(frames.late()) == []


@pytest.mark.parametrize("number", [1, 2, 4], ids=["its-own", "an-older-one", "one-that-nobody-asked"])
def test_values_that_look_like_the_number_of_no_later_question_do_no_harm(number: int) -> None:
    late = 1 if number == 1 else 3 if number == 2 else 2
    frames = asked(*[3] * late)
    frames.feed(reply(late, number, 0, 0x0909))
    assert [one for one, _ in frames.late()] == [late]


@pytest.mark.parametrize("came", [4, 13], ids=["a-part-of-it", "all-of-it"])
@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_reply_that_was_cut_short_is_not_filled_up_with_the_beginning_of_a_late_one(
    missing: int, came: int
) -> None:
    """Seed 217 of the simulation: a meter that cuts its replies short beside one that is late."""
    frames = asked(2)
    cut = reply(2, 0x5A5A)[:-missing]
    assert frames.feed(cut + reply(1, 7, 8)[: missing + came]) is None
    assert frames.feed(reply(1, 7, 8)[missing + came :]) is None
    assert list(frames.late()) == []


def test_a_reply_behind_which_a_late_one_or_noise_stands_is_taken() -> None:
    for behind in (reply(1, 7, 8), reply(1, 7, 8)[:5], b"\xff\xfe\xfd\xfc\xfb\xfa"):
        assert asked(2).feed(reply(2, 0x5A5A) + behind) == b"\x03\x02\x5a\x5a"


# --- sessions -----------------------------------------------------------------------------------------


async def put_aside() -> tuple[Session, Wires, Later]:
    """Give a session whose first question was put aside after a fifth of a second."""
    frames, wires = TcpFrames(), Wires()
    session = Session(frames, "10.0.0.5 port 502", lambda *_: None)
    session.connection_made(wires)
    given = await session.exchange(frames.ask(Question(1, b"\x03\0\0\0\1", 2, POLITE)), 0.2, 1.0)
    assert isinstance(given, tuple)
    return session, wires, given


async def test_a_late_reply_goes_to_who_waits_for_it_and_to_nobody_who_has_given_up(
    virtual: VirtualClock,
) -> None:
    session, _, waiting = await put_aside()
    session.data_received(reply(1, 7))
    assert await session.later(waiting, 1.0) == b"\x03\x02\x00\x07"
    other, _, hopeless = await put_aside()
    hopeless[1].set_result(None)  # the wait has just ended; who waited has not heard of it yet
    other.data_received(reply(1, 7))
    assert await other.later(hopeless, 1.0) is None
    assert not other.ended


async def test_whoever_waits_for_a_late_reply_hears_at_once_that_we_close(virtual: VirtualClock) -> None:
    session, wires, waiting = await put_aside()
    begun = virtual.boot()
    session.close()
    session.close()
    assert await session.later(waiting, 9.0) is None
    assert (virtual.boot(), wires.gone) == (begun, True)


async def test_whoever_waits_for_a_late_reply_hears_at_once_that_the_other_end_has_closed(
    virtual: VirtualClock,
) -> None:
    session, _, waiting = await put_aside()
    begun = virtual.boot()
    session.connection_lost(None)
    with pytest.raises(LinkLostError, match="closed the connection"):
        await session.later(waiting, 9.0)
    assert virtual.boot() == begun
    late, _, given_up = await put_aside()
    given_up[1].set_result(None)
    late.connection_lost(None)
    assert late.ended


# --- links --------------------------------------------------------------------------------------------


async def test_a_late_answer_tells_how_late_it_was_and_a_unit_that_is_often_late_gets_its_time(
    virtual: VirtualClock,
) -> None:
    slow = False
    async with (
        serving(lambda a: [*([0.3] if slow else []), a.reply()]) as wire,
        Link(TcpWay("127.0.0.1", wire.port), virtual, Figures({}), ceiling=5.0) as link,
    ):
        assert isinstance(await link.ask(ONE), Answer)
        slow = True
        for _ in range(8):
            answer = await link.ask(ONE)
            assert isinstance(answer, Answer)
            assert answer.seconds == pytest.approx(0.3, abs=0.02)
        assert link.patience.of(1) == pytest.approx(1.2, abs=0.05)
        await virtual.sleep(0.1)


async def test_a_silent_unit_costs_what_it_held_up_and_nothing_where_others_were_answered_meanwhile(
    virtual: VirtualClock,
) -> None:
    async with (
        serving(lambda a: [a.reply()] if a.unit == 1 else []) as wire,
        Link(TcpWay("127.0.0.1", wire.port), virtual, Figures({}), ceiling=1.0) as link,
    ):
        assert isinstance(await link.ask(ONE), Answer)
        begun = virtual.boot()
        asking = asyncio.create_task(link.ask(Request(9, "holding", 10, 1), 0.0))
        await virtual.sleep(1.0)
        assert isinstance(await link.ask(ONE), Answer)
        silent = await asking
        assert isinstance(silent, Fault)
        assert virtual.boot() - begun > 1.4
        assert silent.seconds < 0.3
