"""A stream over real sockets; a plain one stands for TLS that wants the other direction first."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator

import pytest

from agent.uplink.stream import Stream, Wants
from tests.agent.uplink.kit import until

LATER = (BlockingIOError, InterruptedError)
MUCH = 4_000_000  # more than the two buffers of a local connection hold


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


class Ear:
    def __init__(self, ours: socket.socket, wants: Wants | None = None) -> None:
        self.data = bytearray()
        self.ends: list[OSError | None] = []
        self.stream = Stream(ours, wants or Wants(), hear=self.data.extend, ended=self.ends.append)


async def emptied(theirs: socket.socket, size: int) -> bytes:
    loop, got = asyncio.get_running_loop(), bytearray()
    while len(got) < size:
        got += await loop.sock_recv(theirs, 1 << 20)
    return bytes(got)


async def test_what_has_no_room_waits_and_last_words_without_room_are_in_nobodys_way(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    ear = Ear(ours)
    ear.stream.send(b"x" * MUCH)
    await asyncio.sleep(0.01)
    ear.stream.last(b"bye")  # the buffers are full
    async with asyncio.timeout(5):
        assert await emptied(theirs, MUCH + 3) == b"x" * MUCH + b"bye"
    ear.stream.close()
    ear.stream.last(b"more")
    ear.stream.drain()
    ear.stream.close()
    assert ear.ends == []


async def test_tls_that_must_hear_before_it_can_send_goes_on_once_it_has_heard(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    ear = Ear(ours, Wants(read=LATER, write=()))
    ear.stream.send(b"x" * MUCH)
    await asyncio.sleep(0.01)
    ear.stream.last(b"")  # the socket says "later", which means here: when I can read
    async with asyncio.timeout(5):
        began = await asyncio.get_running_loop().sock_recv(theirs, 1 << 20)
        theirs.send(b"go on")
        await emptied(theirs, MUCH - len(began))
        await until(lambda: ear.data == b"go on")
    ear.stream.close()


async def test_tls_that_must_send_before_it_can_hear_goes_on_once_there_is_room(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    ear = Ear(ours, Wants(read=(), write=LATER))
    ear.stream.drain()  # nothing has come; "later" means here: when I can write
    theirs.send(b"at last")
    async with asyncio.timeout(5):
        await until(lambda: ear.data == b"at last")
    ear.stream.close()


async def test_much_at_once_is_heard_to_its_end_with_turns_for_others(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    ear = Ear(ours)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        await loop.sock_sendall(theirs, b"y" * MUCH)
        await until(lambda: len(ear.data) == MUCH)
    ear.stream.close()


async def test_a_connection_that_is_reset_while_we_send_ends_once(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    ear = Ear(ours)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    ear.stream.last(b"hello")
    ear.stream.send(b"is anybody there?")
    async with asyncio.timeout(5):
        await until(lambda: bool(ear.ends))
    await asyncio.sleep(0)
    assert len(ear.ends) == 1
