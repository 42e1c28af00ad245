"""A link over a line: silences are kept, late replies waited out, others on it noticed in time."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from agent.core.errors import DriverError
from drivers.modbus.figures import Figures
from drivers.modbus.link import Link
from drivers.modbus.request import Answer, Fault, Request
from drivers.modbus.way import TcpWay
from tests.drivers.modbus.rtu_wire import Answer as Behaviour
from tests.drivers.modbus.rtu_wire import Asked, RtuWire, rtu_serving
from tests.drivers.modbus.wire import RESET, serving
from tests.virtual import VirtualClock

FOUR = Request(1, "holding", 10, 4, longer=(5, 6, 7, 8))
ALONE = Request(1, "holding", 10, 4)
Desk = dict[str, float | str]


class Line(TcpWay):
    """A line behind TCP, so that it runs on virtual time: it needs silences, and has no reason to end."""

    lasting = True

    def __init__(self, port: int, *, quiet: float = 0.0, character: float = 0.0) -> None:
        super().__init__("127.0.0.1", port, rtu=True, character=character)
        self.quiet = quiet


@asynccontextmanager
async def linked(
    behaviour: Behaviour | None,
    clock: VirtualClock,
    *,
    quiet: float = 0.0,
    character: float = 0.0,
    ceiling: float = 1.0,
) -> AsyncIterator[tuple[Link, RtuWire, Desk]]:
    desk: Desk = {}
    async with rtu_serving(behaviour) as wire:
        way = Line(wire.port, quiet=quiet, character=character)
        async with Link(way, clock, Figures(desk), ceiling=ceiling) as link:
            yield link, wire, desk


def stranger(n: int) -> bytes:
    """Give a frame by which another master asks another unit."""
    return Asked(bytes((9, 3, 0, n, 0, 1, 0, 0))).frame_of(bytes((3, 0, n, 0, 1)), unit=9)


# --- the connection -----------------------------------------------------------------------------------


async def test_whether_a_link_is_connected_is_told_from_the_first_question_to_the_end(
    virtual: VirtualClock,
) -> None:
    async with linked(None, virtual) as (link, _, desk):
        assert not link.connected
        await link.ask(FOUR)
        assert (link.connected, desk["connected"]) == (True, "yes")
        link.close()
        assert (link.connected, desk["connected"]) == (False, "no")


async def test_a_line_that_ends_while_nothing_is_asked_is_news_and_one_that_we_close_is_none(
    virtual: VirtualClock,
) -> None:
    async with linked(None, virtual) as (link, wire, desk):
        watching = asyncio.create_task(link.watch())
        await link.ask(FOUR)
        link.close()
        await virtual.sleep(5)
        assert not watching.done()
        await link.ask(FOUR)
        for writer in wire.writers:
            writer.transport.abort()
        with pytest.raises(DriverError, match="closed the connection"):
            await watching
        assert desk["connected"] == "no"


async def test_a_host_that_resets_between_two_questions_is_asked_again_without_a_word(
    virtual: VirtualClock,
) -> None:
    async with (
        serving(lambda a: [a.reply(), 0.5, RESET]) as wire,
        Link(TcpWay("127.0.0.1", wire.port), virtual, Figures({}), ceiling=1.0) as link,
    ):
        watching = asyncio.create_task(link.watch())
        for _ in range(3):
            assert isinstance(await link.ask(ALONE), Answer)
            assert link._session is not None
            link._session.connection_lost(ConnectionResetError(errno.ECONNRESET, "by peer"))
            await virtual.sleep(5)
        assert not watching.done()
        watching.cancel()


@pytest.mark.parametrize(("ceiling", "wait", "first"), [(1.0, 1.5, 5), (5.0, 2.0, 9)])
async def test_a_connection_is_opened_anew_after_five_seconds_in_vain_and_three_of_the_longest_waits(
    ceiling: float, wait: float, first: int, virtual: VirtualClock
) -> None:
    async with (
        serving(lambda _: []) as wire,
        Link(TcpWay("127.0.0.1", wire.port), virtual, Figures({}), ceiling=ceiling) as link,
    ):
        while wire.ever < 2:
            assert isinstance(await link.ask(ALONE, wait), Fault)
        assert len(wire.asked) == first


# --- times --------------------------------------------------------------------------------------------


async def test_what_an_answer_and_a_silence_took_is_told(virtual: VirtualClock) -> None:
    async with linked(lambda a: [0.3, a.reply()] if a.unit == 1 else [], virtual, quiet=0.05) as (
        link,
        _,
        desk,
    ):
        answer = await link.ask(FOUR)
        assert isinstance(answer, Answer)
        assert answer.seconds == pytest.approx(0.35, abs=0.01), "and the silence that the line needs"
        silent = await link.ask(Request(2, "holding", 10, 4))
        assert isinstance(silent, Fault)
        assert silent.seconds == pytest.approx(1.0, abs=0.01)
        assert desk["rtt_ms"] == pytest.approx(300, abs=10)
        await virtual.sleep(30)
        await link.ask(FOUR)
        assert desk["line_use_percent"] == pytest.approx(100 * 1.6 / 31.7, abs=0.5)


async def test_the_wait_for_a_unit_is_by_its_own_time_and_that_of_the_bytes_on_the_line(
    virtual: VirtualClock,
) -> None:
    async with linked(lambda a: [0.25, a.reply()] if a.addr == 10 else [], virtual, character=0.01) as (
        link,
        _,
        _,
    ):
        await link.ask(FOUR)  # its 13 + 8 characters take 0.21 s; so the unit took 0.04
        silent = await link.ask(Request(1, "holding", 500, 4, longer=(5,)))
        assert isinstance(silent, Fault)
        assert silent.seconds == pytest.approx(0.21 + 0.2, abs=0.01)


async def test_between_a_reply_and_the_next_request_the_line_is_silent(virtual: VirtualClock) -> None:
    async with linked(None, virtual, quiet=0.5) as (link, wire, _):
        for _ in range(4):
            await link.ask(FOUR)
        gaps = [later - earlier for earlier, later in pairwise(wire.at)]
        assert gaps == pytest.approx([0.5, 0.5, 0.5], abs=0.02)


async def test_the_time_of_a_request_that_was_lengthened_tells_nothing_of_the_request(
    virtual: VirtualClock,
) -> None:
    async with linked(lambda a: [] if len(wire.asked) == 1 else [a.reply()], virtual) as (link, wire, _):
        await link.ask(FOUR)
        lengthened, plain = await link.ask(FOUR), await link.ask(FOUR)
        assert isinstance(lengthened, Answer)
        assert isinstance(plain, Answer)
        assert [one.count for one in wire.asked] == [4, 5, 4]
        assert (lengthened.seconds, plain.seconds > 0) == (0.0, True)


async def test_an_identification_begins_with_the_first_object(virtual: VirtualClock) -> None:
    said = b"\x2b\x0e\x01\x01\x00\x00\x01" + b"\x00\x03abc"
    async with linked(lambda a: [a.frame_of(said)], virtual) as (link, wire, _):
        answer = await link.identify(1, 1.0)
        assert isinstance(answer, Answer)
        assert (answer.data, wire.asked[0].frame[:-2]) == (b"\x00\x03abc", b"\x01\x2b\x0e\x01\x00")


# --- late replies -------------------------------------------------------------------------------------


async def test_a_unit_whose_replies_cannot_be_told_apart_is_left_in_peace_for_two_waits(
    virtual: VirtualClock,
) -> None:
    async with linked(lambda a: [] if len(wire.asked) == 1 else [a.reply()], virtual) as (link, wire, desk):
        begun = asyncio.get_running_loop().time()
        assert isinstance(await link.ask(ALONE), Fault)
        asking = asyncio.create_task(link.ask(ALONE))
        await virtual.sleep(0.6)
        # nobody else asks this unit meanwhile, but others are asked
        longer = asyncio.create_task(link.ask(FOUR))
        other = await link.ask(Request(2, "holding", 10, 4))
        assert isinstance(other, Answer)
        assert isinstance(await asking, Answer)
        assert isinstance(await longer, Answer)
        assert [round(at - begun, 1) for at in wire.at] == [0.0, 1.6, 2.0, 2.0]
        assert [one.unit for one in wire.asked] == [1, 2, 1, 1]
        assert desk["quarantines"] == 1


async def test_bits_that_an_echo_would_look_like_are_asked_for_where_no_other_length_is(
    virtual: VirtualClock,
) -> None:
    async with linked(None, virtual) as (link, wire, _):
        answer = await link.ask(Request(1, "coil", 0x300, 17))
        assert isinstance(answer, Answer)
        assert answer.data == wire.asked[0].reply()[3:6]


# --- others on the line -------------------------------------------------------------------------------


async def test_listening_for_long_hears_what_came_at_its_beginning(virtual: VirtualClock) -> None:
    async with linked(None, virtual) as (link, wire, _):
        listening = asyncio.create_task(link.listen(45.0))
        await virtual.sleep(1)
        for writer in wire.writers:
            writer.write(stranger(1))
        with pytest.raises(DriverError, match="another master"):
            await listening


async def test_another_master_is_noticed_as_soon_after_quiet_hours_as_at_once(virtual: VirtualClock) -> None:
    speaks = False
    async with linked(
        lambda a: [stranger(len(wire.asked) % 9), a.reply()] if speaks else [a.reply()], virtual
    ) as (link, wire, _):
        for _ in range(5):
            assert isinstance(await link.ask(FOUR), Answer)
            await virtual.sleep(25)
        speaks = True
        for _ in range(3):
            assert isinstance(await link.ask(FOUR), Answer)
            await virtual.sleep(10)
        with pytest.raises(DriverError, match=r"\(3 frames were not ours\)"):
            await link.ask(FOUR)


async def test_frames_of_others_that_come_hours_apart_are_accidents(virtual: VirtualClock) -> None:
    async with linked(lambda a: [stranger(len(wire.asked) % 9), a.reply()], virtual) as (link, wire, desk):
        for _ in range(4):
            for _ in range(2):
                assert isinstance(await link.ask(FOUR), Answer)
            await virtual.sleep(3600)
        assert desk["foreign_frames"] == 7
