"""The link takes the answer to its question, at once, and nothing else."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from agent.core.errors import DriverError
from drivers.modbus.figures import Figures
from drivers.modbus.frames import Frames, Question
from drivers.modbus.frames_rtu import RtuFrames
from drivers.modbus.frames_tcp import TcpFrames
from drivers.modbus.link import Link
from drivers.modbus.request import POLITE, READ_ONLY, Answer, Fault, Request
from drivers.modbus.way import TcpWay
from tests.drivers.modbus.wire import CLOSE, RESET, Asked, Wire, serving
from tests.drivers.modbus.wire import Answer as Behaviour
from tests.virtual import VirtualClock

FOUR = Request(1, "holding", 10, 4)
RIGHT = struct.pack(">4H", 10, 11, 12, 13)


@asynccontextmanager
async def linked(
    behaviour: Behaviour | None, clock: VirtualClock, figures: dict[str, float | str] | None = None
) -> AsyncIterator[tuple[Link, Wire]]:
    async with serving(behaviour) as wire:
        counted = Figures({} if figures is None else figures)
        async with Link(TcpWay("127.0.0.1", wire.port), clock, counted, ceiling=1.0) as link:
            yield link, wire


def once(*wrong: bytes, kept: list[int] | None = None) -> Behaviour:
    """Answer the first question with *wrong*, and all later ones as it should be."""
    asked_before: list[int] = [] if kept is None else kept

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        asked_before.append(asked.transaction)
        return list(wrong) if len(asked_before) == 1 else [asked.reply()]

    return behaviour


WRONG: dict[str, Behaviour] = {
    "fewer registers than asked": lambda a: [a.reply([10, 11])],
    "more registers than asked": lambda a: [a.reply([10, 11, 12, 13, 14, 15])],
    "another function": lambda a: [a.reply(function=4)],
    "another unit": lambda a: [a.reply(unit=2)],
    "unit 0": lambda a: [a.reply(unit=0)],
    "unit 255": lambda a: [a.reply(unit=255)],
    "transaction 0": lambda a: [a.reply(transaction=0)],
    "an older transaction": lambda a: [a.reply(transaction=a.transaction - 1)],
    "an odd number of bytes": lambda a: [a.frame_of(b"\x03\x07" + RIGHT[:7])],
    "a byte count that lies": lambda a: [a.frame_of(b"\x03\x04" + RIGHT)],
    "no byte count": lambda a: [a.frame_of(b"\x03")],
    "an exception of another function": lambda a: [a.frame_of(b"\x84\x02")],
    "an exception without code": lambda a: [a.frame_of(b"\x83")],
    "exception number 0": lambda a: [a.frame_of(b"\x83\x00")],
    "its own echo": lambda a: [a.frame],
    "half a reply": lambda a: [a.reply()[:9]],
    "a header alone": lambda a: [a.reply()[:6]],
    "nothing": lambda _: [],
}


@pytest.mark.parametrize("how", WRONG)
async def test_a_wrong_reply_is_no_value_and_the_next_one_is_right(how: str, virtual: VirtualClock) -> None:
    first = True

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        nonlocal first
        wrong, first = first, False
        return WRONG[how](asked) if wrong else [asked.reply()]

    async with linked(behaviour, virtual) as (link, _):
        started = virtual.boot()
        fault = await link.ask(FOUR)
        assert isinstance(fault, Fault)
        assert fault.why == ("no_reply" if how == "nothing" else "bad_reply")
        # what may still come is waited for twice as long as what was answered wrongly
        ends = 2.0 if how in ("nothing", "half a reply", "a header alone") else 1.0
        assert virtual.boot() - started == pytest.approx(ends, abs=0.05)
        answer = await link.ask(FOUR)
        assert isinstance(answer, Answer)
        assert answer.data == RIGHT


@pytest.mark.parametrize(
    "how", [name for name in WRONG if name not in ("half a reply", "a header alone", "nothing")]
)
async def test_the_right_reply_is_found_behind_a_wrong_one(how: str, virtual: VirtualClock) -> None:
    figures: dict[str, float | str] = {}
    async with linked(lambda asked: [*WRONG[how](asked), asked.reply()], virtual, figures) as (link, _):
        answer = await link.ask(FOUR)
        assert isinstance(answer, Answer)
        assert answer.data == RIGHT
        assert figures["stale_dropped"] == 1


async def test_a_reply_may_come_byte_by_byte(virtual: VirtualClock) -> None:
    async with linked(lambda a: [bytes((one,)) for one in a.reply()], virtual) as (link, _):
        answer = await link.ask(FOUR)
        assert isinstance(answer, Answer)
        assert answer.data == RIGHT


async def test_two_replies_in_one_segment_are_told_apart(virtual: VirtualClock) -> None:
    async with linked(lambda a: [a.reply(transaction=9) + a.reply() + a.reply()], virtual) as (link, _):
        for _ in range(3):
            answer = await link.ask(FOUR)
            assert isinstance(answer, Answer)
            assert answer.data == RIGHT


async def test_a_late_reply_never_answers_the_next_question(virtual: VirtualClock) -> None:
    late: list[bytes] = []

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        late.append(asked.reply())
        return late[-2:-1]  # each question gets the answer of the one before

    async with linked(behaviour, virtual) as (link, _):
        for start in range(0, 100, 10):
            assert isinstance(await link.ask(Request(1, "holding", start, 4)), Fault)


@pytest.mark.parametrize("ending", [CLOSE, RESET])
async def test_a_question_fails_at_once_when_the_connection_ends(
    ending: bytes, virtual: VirtualClock
) -> None:
    async with linked(once(ending), virtual) as (link, _):
        started = virtual.boot()
        with pytest.raises(DriverError, match="closed the connection"):
            await link.ask(FOUR)
        assert virtual.boot() - started < 0.1
        assert isinstance(await link.ask(FOUR), Answer)


async def test_half_a_reply_and_the_end_is_no_value(virtual: VirtualClock) -> None:
    async with linked(lambda a: [a.reply()[:10], CLOSE], virtual) as (link, _):
        with pytest.raises(DriverError, match="closed the connection"):
            await link.ask(FOUR)


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        bytes.fromhex("0103080a000b000c000d12ab"),
        b"\xff" * 300,
        b"HTTP/1.1 400\r\n",
    ],
)
async def test_bytes_that_are_no_frame_end_the_connection_with_a_hint(
    garbage: bytes, virtual: VirtualClock
) -> None:
    async with linked(once(garbage), virtual) as (link, wire):
        started = virtual.boot()
        with pytest.raises(DriverError, match=r"no Modbus TCP .*transparent mode"):
            await link.ask(FOUR)
        assert virtual.boot() - started < 0.1
        assert isinstance(await link.ask(FOUR), Answer)
        assert wire.most <= 2  # the old connection may still be closing
        assert link.connected


@pytest.mark.parametrize(
    ("code", "why", "silent"),
    [
        (1, "exception", False),
        (2, "illegal_address", False),
        (4, "exception", False),
        (5, "busy", False),
        (6, "busy", False),
        (0x0A, "no_reply", True),
        (0x0B, "no_reply", True),
    ],
)
async def test_an_exception_is_an_answer_with_a_word(
    code: int, why: str, virtual: VirtualClock, *, silent: bool
) -> None:
    async with linked(lambda a: [a.refusal(code)], virtual) as (link, _):
        fault = await link.ask(FOUR)
        assert isinstance(fault, Fault)
        assert (fault.code, fault.why, fault.silent) == (code, why, silent)


async def test_a_connection_closed_between_questions_is_opened_by_the_next(virtual: VirtualClock) -> None:
    async with linked(lambda a: [a.reply(), CLOSE], virtual) as (link, wire):
        for _ in range(3):
            assert isinstance(await link.ask(FOUR), Answer)
            await virtual.sleep(1.0)
        assert (wire.ever, wire.most) == (3, 1)


async def test_a_connection_on_which_nobody_answers_is_opened_anew(virtual: VirtualClock) -> None:
    async with linked(lambda _: [], virtual) as (link, wire):
        begun = virtual.boot()
        while virtual.boot() - begun < 9:
            assert isinstance(await link.ask(FOUR), Fault)
        assert wire.ever == 2, "after five seconds"


async def test_an_unreachable_port_is_a_driver_error_that_says_where(virtual: VirtualClock) -> None:
    async with serving() as wire:
        port = wire.port
    link = Link(TcpWay("127.0.0.1", port), virtual, Figures({}), ceiling=1.0)
    with pytest.raises(DriverError, match=f"no connection to 127.0.0.1 port {port}: ") as refused:
        await link.ask(FOUR)
    assert refused.value.cheap, "it may be tried again soon"


async def test_questions_of_several_tasks_never_overlap(virtual: VirtualClock) -> None:
    async with linked(lambda a: [a.reply()[:4], a.reply()[4:]], virtual) as (link, wire):

        async def reader(start: int) -> None:
            for _ in range(5):
                answer = await link.ask(Request(1, "holding", start, 1))
                assert isinstance(answer, Answer)
                assert answer.data == start.to_bytes(2, "big")

        async with asyncio.TaskGroup() as group:
            for start in range(8):
                group.create_task(reader(start))
        assert (wire.ever, wire.most, len(wire.asked)) == (1, 1, 40)


async def test_a_cancelled_question_leaves_no_connection_behind(virtual: VirtualClock) -> None:
    async with serving(lambda _: []) as wire:
        with pytest.raises(TimeoutError):
            async with (
                asyncio.timeout(0.2),
                Link(TcpWay("127.0.0.1", wire.port), virtual, Figures({}), ceiling=9.0) as link,
            ):
                await link.ask(FOUR)
        await virtual.sleep(0.1)
        assert wire.open == 0


async def test_the_kernel_watches_for_the_other_end(virtual: VirtualClock) -> None:
    async with linked(None, virtual) as (link, _):
        await link.ask(FOUR)
        assert link._session is not None
        sock = link._session.transport.get_extra_info("socket")
        assert 0 < sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 5000
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


async def test_a_verdict_of_the_kernel_between_two_questions_ends_the_link(virtual: VirtualClock) -> None:
    figures: dict[str, float | str] = {}
    async with linked(None, virtual, figures) as (link, _):
        await link.ask(FOUR)
        watching = asyncio.create_task(link.watch())
        await virtual.sleep(60)
        assert not watching.done()
        assert link._session is not None
        # what asyncio calls when TCP_USER_TIMEOUT or keepalive has run out
        link._session.connection_lost(OSError(errno.ETIMEDOUT, "by the kernel"))
        with pytest.raises(DriverError, match="is out of reach: Connection timed out"):
            await watching
        assert figures["connected"] == "no"


@pytest.mark.parametrize("body", [bytes((6, 0, 1, 0, 1)), bytes((16, 0, 0, 0, 1, 2, 0, 1)), b"\x2b\x0d\0\0"])
@pytest.mark.parametrize("frames", [TcpFrames(), RtuFrames()])
def test_a_request_that_writes_cannot_be_put_on_the_wire(frames: Frames, body: bytes) -> None:
    with pytest.raises(PermissionError, match=f"function code {body[0]} could change a device"):
        frames.ask(Question(1, body, 4, POLITE))
    assert {1, 2, 3, 4, 0x2B} == READ_ONLY
