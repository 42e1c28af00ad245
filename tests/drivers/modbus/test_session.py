"""One connection: what comes after its end changes nothing, and what a port does not take at once follows."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

import pytest

from drivers.modbus.frames import Question
from drivers.modbus.frames_rtu import RtuFrames
from drivers.modbus.frames_tcp import TcpFrames
from drivers.modbus.request import POLITE
from drivers.modbus.serial_way import _SerialTransport
from drivers.modbus.session import LinkLostError, Reply, Session, _give_up
from tests.drivers.modbus.wire import Asked


class Port:
    """A serial line at the byte boundary: a socket that can be full, and is closed once."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        for end in (self.ours, self.theirs):
            end.setblocking(False)

    def fileno(self) -> int:
        return self.ours.fileno()

    def close(self) -> None:
        self.ours.close()


def session(ends: list[str] | None = None) -> Session:
    told = [] if ends is None else ends
    return Session(RtuFrames(), "/dev/ttyUSB0", lambda one, _: told.append(one.ended))


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


async def test_an_end_is_told_once_and_nothing_is_asked_after_it() -> None:
    ends: list[str] = []
    one = session(ends)
    one.gone("the adapter was unplugged")
    one.gone("and once more")
    one.connection_lost(None)
    one.close()
    assert ends == ["the adapter was unplugged"]
    with pytest.raises(LinkLostError, match="the adapter was unplugged"):
        await one.exchange(b"x", 1.0)


async def test_an_answer_that_came_in_time_is_not_taken_back_by_its_alarm() -> None:
    reply: Reply = asyncio.get_running_loop().create_future()
    reply.set_result(b"answer")
    session()._expire(reply, 0.0)
    assert await reply == b"answer"


async def test_what_a_port_does_not_take_at_once_follows_in_order() -> None:
    port, one = Port(), session()
    transport = _SerialTransport(port, one, "/dev/ttyUSB0")
    sent = bytes(range(256)) * 8192  # far more than a socket holds
    transport.write(sent)
    transport.write(b"the end")
    got = bytearray()

    def read() -> bool:
        with suppress(BlockingIOError):
            got.extend(port.theirs.recv(1 << 20))
        return got.endswith(b"the end")

    await until(read)
    assert bytes(got) == sent + b"the end"
    assert not transport.is_closing()
    transport.close()
    transport.close()
    assert transport.is_closing()
    transport.write(b"nobody hears this")
    assert port.theirs.recv(10) == b""
    assert one.ended == ""
    port.theirs.close()


async def test_a_wake_up_without_bytes_and_a_hang_up_are_told_apart() -> None:
    port, ends = Port(), list[str]()
    transport = _SerialTransport(port, session(ends), "/dev/ttyUSB0")
    transport._read()  # nothing is there
    assert ends == []
    port.theirs.close()
    await until(lambda: bool(ends))
    assert ends == ["/dev/ttyUSB0 is gone (it hung up); was its adapter unplugged?"]
    assert transport.is_closing()


async def test_a_port_that_fails_while_it_is_written_to_ends_the_connection() -> None:
    port, ends = Port(), list[str]()
    one = session(ends)
    transport = _SerialTransport(port, one, "/dev/ttyUSB0")
    port.theirs.close()
    frames = RtuFrames()
    with pytest.raises(LinkLostError, match="/dev/ttyUSB0 is gone"):
        await one.exchange(frames.ask(Question(1, b"\x03\0\0\0\1", 2, POLITE)), 1.0)
    assert len(ends) == 1
    assert transport.is_closing()


async def test_a_port_that_fails_at_a_read_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    port, ends = Port(), list[str]()
    transport = _SerialTransport(port, session(ends), "/dev/ttyUSB0")
    monkeypatch.setattr("os.read", fails)
    transport._read()
    monkeypatch.undo()
    assert ends == ["/dev/ttyUSB0 is gone (Input/output error); was its adapter unplugged?"]
    port.theirs.close()


async def test_a_reply_without_a_number_is_never_put_aside() -> None:
    one = session()
    reply: Reply = asyncio.get_running_loop().create_future()
    one._expire(reply, 1.0)
    assert await reply is None
    assert (RtuFrames().put_aside(), RtuFrames().late()) == (0, ())


async def test_who_waits_when_the_connection_is_closed_by_us_hears_nothing_and_waits_no_longer() -> None:
    port, one = Port(), session()
    _SerialTransport(port, one, "/dev/ttyUSB0")
    frame = RtuFrames().ask(Question(1, b"\x03\0\0\0\1", 2, POLITE))
    asking = asyncio.create_task(one.exchange(frame, 60.0))
    await asyncio.sleep(0)
    one.close()
    assert await asking is None
    port.theirs.close()


async def test_a_late_reply_that_was_given_up_in_the_same_moment_is_dropped() -> None:
    frames, ends = TcpFrames(), list[str]()
    one = Session(frames, "10.0.0.7 port 502", lambda it, _: ends.append(it.ended))
    asked = frames.ask(Question(1, b"\x03\0\0\0\1", 2, POLITE))
    number = frames.put_aside()
    late: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
    one._aside[number] = late
    _give_up(late)
    one.data_received(Asked(asked).reply())
    _give_up(late)
    one.gone("it was unplugged")
    assert await late is None
    assert ends == ["it was unplugged"]
