"""A reply whose turn is over is given to who asked for it, once, or its waiting ends; nothing is kept."""

from __future__ import annotations

import asyncio

import pytest

from drivers.modbus.frames import Question
from drivers.modbus.frames_tcp import TcpFrames
from drivers.modbus.request import POLITE
from drivers.modbus.session import Later, LinkLostError, Session
from tests.drivers.modbus.test_session_ends import Wires
from tests.virtual import VirtualClock

ONE = Question(1, b"\3\0\0\0\1", 2, POLITE)


def reply(number: int, value: int) -> bytes:
    return number.to_bytes(2, "big") + b"\0\0\0\5\1\3\2" + value.to_bytes(2, "big")


class Talk:
    """One connection, and what is written to it."""

    def __init__(self) -> None:
        self.frames, self.wires = TcpFrames(), Wires()
        self.told: list[str] = []
        self.session = Session(self.frames, "10.0.0.5 port 502", lambda one, _: self.told.append(one.ended))
        self.session.connection_made(self.wires)

    async def ask(self, limit: float = 0.2, more: float = 1.0) -> bytes | Later | None:
        return await self.session.exchange(self.frames.ask(ONE), limit, more)

    async def aside(self) -> Later:
        late = await self.ask()
        assert isinstance(late, tuple)
        return late

    def keeps_nothing(self) -> bool:
        return not (self.session._aside or self.frames._aside or self.session._reply)


async def test_each_late_reply_goes_to_who_asked_for_it(virtual: VirtualClock) -> None:
    talk, begun = Talk(), virtual.boot()
    lates = [await talk.aside() for _ in range(3)]
    assert virtual.boot() - begun == pytest.approx(0.6)
    waiting = [asyncio.create_task(talk.session.later(late, 5.0)) for late in lates]
    asking = asyncio.create_task(talk.ask())
    await asyncio.sleep(0)
    talk.session.data_received(reply(2, 22) + reply(1, 11) + reply(4, 44) + reply(3, 33))
    assert await asking == b"\3\2\0\x2c"
    assert await asyncio.gather(*waiting) == [b"\3\2\0\x0b", b"\3\2\0\x16", b"\3\2\0\x21"]
    assert virtual.boot() - begun == pytest.approx(0.6)
    assert talk.keeps_nothing()


async def test_without_more_time_nothing_is_put_aside(virtual: VirtualClock) -> None:
    talk = Talk()
    assert await talk.ask(more=0.0) is None
    assert talk.keeps_nothing()


async def test_a_late_reply_is_waited_for_so_long_and_then_it_is_a_stale_one(virtual: VirtualClock) -> None:
    talk = Talk()
    late = await talk.aside()
    begun = virtual.boot()
    assert await talk.session.later(late, 1.5) is None
    assert virtual.boot() - begun == pytest.approx(1.5)
    assert talk.keeps_nothing()
    talk.session.data_received(reply(1, 11))
    assert talk.frames.tally.stale == 1


async def test_who_stops_to_wait_leaves_nothing_behind_and_the_others_wait_on(virtual: VirtualClock) -> None:
    talk = Talk()
    waiting = [asyncio.create_task(talk.session.later(await talk.aside(), 5.0)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    talk.session.data_received(reply(1, 11) + reply(2, 22))
    assert await waiting[1] == b"\3\2\0\x16"
    assert talk.keeps_nothing()


async def test_who_leaves_in_the_moment_in_which_it_is_put_aside_leaves_nothing_behind(
    virtual: VirtualClock,
) -> None:
    talk = Talk()
    asking = asyncio.create_task(talk.ask())
    await asyncio.sleep(0)
    waited = talk.session._reply
    assert waited is not None
    talk.session._expire(waited, 1.0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert isinstance(waited.result(), tuple)
    assert talk.keeps_nothing()


@pytest.mark.parametrize("how", ["it answers", "it ends"])
async def test_who_leaves_in_the_moment_in_which_its_waiting_ends_has_left(
    virtual: VirtualClock, how: str
) -> None:
    talk = Talk()
    asking = asyncio.create_task(talk.ask())
    await asyncio.sleep(0)
    if how == "it answers":
        talk.session.data_received(reply(1, 11))
    else:
        talk.session.gone("it hung up")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert talk.keeps_nothing()


async def test_who_leaves_in_the_moment_in_which_its_late_reply_comes_takes_nobody_else_with_it(
    virtual: VirtualClock,
) -> None:
    talk = Talk()
    waiting = [asyncio.create_task(talk.session.later(await talk.aside(), 5.0)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    talk.session.data_received(reply(1, 11) + reply(2, 22))
    assert await waiting[1] == b"\3\2\0\x16"
    assert talk.keeps_nothing()


async def test_who_leaves_while_its_late_reply_is_held_back_takes_nobody_else_with_it(
    virtual: VirtualClock,
) -> None:
    talk = Talk()
    waiting = [asyncio.create_task(talk.session.later(await talk.aside(), 5.0)) for _ in range(2)]
    await asyncio.sleep(0)
    talk.session.data_received(reply(1, 11) + reply(2, 22)[:5])
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    talk.session.data_received(reply(2, 22)[5:])
    assert await waiting[1] == b"\3\2\0\x16"
    assert talk.keeps_nothing()


async def test_all_who_wait_hear_of_the_end_and_who_was_just_answered_keeps_its_reply(
    virtual: VirtualClock,
) -> None:
    talk = Talk()
    waiting = [asyncio.create_task(talk.session.later(await talk.aside(), 5.0)) for _ in range(2)]
    asking = asyncio.create_task(talk.ask())
    await asyncio.sleep(0)
    talk.session.data_received(reply(1, 11))
    talk.session.connection_lost(None)
    talk.session.close()
    assert await waiting[0] == b"\3\2\0\x0b"
    for one in (waiting[1], asking):
        with pytest.raises(LinkLostError, match="closed the connection"):
            await one
    assert talk.keeps_nothing()
    assert len(talk.told) == 1


async def test_all_who_wait_go_without_when_we_close_the_connection(virtual: VirtualClock) -> None:
    talk, begun = Talk(), virtual.boot()
    waiting = [asyncio.create_task(talk.session.later(await talk.aside(), 5.0)) for _ in range(2)]
    asking = asyncio.create_task(talk.ask())
    await asyncio.sleep(0)
    talk.session.data_received(reply(1, 11))
    talk.session.close()
    assert await asyncio.gather(*waiting, asking) == [b"\3\2\0\x0b", None, None]
    assert virtual.boot() - begun == pytest.approx(0.4)
    assert talk.keeps_nothing()


async def test_a_late_reply_of_a_connection_is_not_taken_on_the_next(virtual: VirtualClock) -> None:
    talk = Talk()
    waiting = asyncio.create_task(talk.session.later(await talk.aside(), 5.0))
    await asyncio.sleep(0)
    talk.session.close()
    after = Session(talk.frames, "10.0.0.5 port 502", lambda one, _: None)
    after.connection_made(Wires())
    asking = asyncio.create_task(after.exchange(talk.frames.ask(ONE), 1.0))
    await asyncio.sleep(0)
    after.data_received(reply(1, 11))
    assert await waiting is None
    after.data_received(reply(2, 22))
    assert await asking == b"\3\2\0\x16"
    assert talk.frames.tally.stale == 1


async def test_what_began_to_come_is_waited_for_before_anybody_else_is_asked(virtual: VirtualClock) -> None:
    talk, begun = Talk(), virtual.boot()
    asking = asyncio.create_task(talk.ask(limit=0.2, more=0.7))
    await asyncio.sleep(0)
    talk.session.data_received(reply(1, 11)[:5])
    await virtual.sleep(0.8)
    assert not asking.done()
    talk.session.data_received(reply(1, 11)[5:])
    assert await asking == b"\3\2\0\x0b"
    asking = asyncio.create_task(talk.ask(limit=0.2, more=0.7))
    await asyncio.sleep(0)
    talk.session.data_received(reply(2, 22)[:5])
    assert await asking is None
    assert virtual.boot() - begun == pytest.approx(0.8 + 0.9), "and no longer"
    assert talk.keeps_nothing()


async def test_an_alarm_of_before_the_end_does_not_hide_it(virtual: VirtualClock) -> None:
    talk = Talk()
    asking = asyncio.create_task(talk.ask(limit=0.2, more=0.0))
    await asyncio.sleep(0)
    talk.session.data_received(b"SSH-2.0-")
    with pytest.raises(LinkLostError, match="no Modbus TCP"):
        await asking
    assert talk.wires.gone
