"""A Modbus TCP server that counts: what a poller costs the field, seen from the wire.

    python -m bench._field [--ports N] [--latency SECONDS] [--dead UNIT]

It prints its ports, and for each line on its standard input one line of JSON: what was asked of it so far.
Every unit answers at every port but the dead one, each reply after the latency; register *i* of a unit holds
*i*. A dead unit holds a connection from its request until the next one comes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import struct
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

_HEAD = struct.Struct(">HHHBBHH")
_REPLY = struct.Struct(">HHHBBB")
_WORDS = struct.pack(">65536H", *range(65536))
_READS = (3, 4)


class Tally(Struct):
    """What was asked until the UTC second ``at``, by all connections together.

    ``held`` is how many seconds the dead unit held its connection; ``polls`` lists for each unit when its
    first register was asked for, in UTC seconds.
    """

    at: float = 0.0
    connections: int = 0
    requests: int = 0
    registers: int = 0
    longest: int = 0
    held: float = 0.0
    polls: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))


class Field:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.ports = msgspec.json.decode(self._line(), type=list[int])

    def look(self) -> Tally:
        """Give what was asked so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._line(), type=Tally)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextlib.contextmanager
def serving(*, ports: int = 1, latency: float = 0.0, dead: int = -1) -> Iterator[Field]:
    """Run a server in a process of its own."""
    words = ("--ports", str(ports), "--latency", str(latency), "--dead", str(dead))
    command = [sys.executable, "-m", "bench._field", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Field(process)
        finally:
            process.terminate()


class Unit(asyncio.Protocol):
    """One connection."""

    def __init__(self, tally: Tally, latency: float, dead: int) -> None:
        self._tally, self._latency, self._dead = tally, latency, dead
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._held_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._tally.connections += 1

    def data_received(self, data: bytes) -> None:
        """Take requests."""
        self._release()
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            number, _, _, unit, function, addr, count = _HEAD.unpack_from(self._buffer)
            self._buffer = self._buffer[_HEAD.size :]
            self._asked(unit, addr, count)
            assert function in _READS, function
            if unit == self._dead:
                self._held_since = self._loop.time()
                continue
            reply = _REPLY.pack(number, 0, 3 + 2 * count, unit, function, 2 * count)
            reply += _WORDS[2 * addr : 2 * (addr + count)]
            if self._latency:
                self._loop.call_later(self._latency, self._answer, reply)
            else:
                self._answer(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._release()

    def _asked(self, unit: int, addr: int, count: int) -> None:
        tally = self._tally
        tally.requests += 1
        tally.registers += count
        tally.longest = max(tally.longest, count)
        if not addr and unit != self._dead:
            tally.polls[unit].append(time.time())

    def _answer(self, reply: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(reply)

    def _release(self) -> None:
        if self._held_since:
            self._tally.held += self._loop.time() - self._held_since
            self._held_since = 0.0


async def main() -> None:
    """Serve until nobody listens any more."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ports", type=int, default=1)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--dead", type=int, default=-1)
    args = parser.parse_args()
    tally, loop = Tally(), asyncio.get_running_loop()
    ports = []
    for _ in range(args.ports):
        server = await loop.create_server(lambda: Unit(tally, args.latency, args.dead), "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    ended = loop.create_future()

    def tell() -> None:
        if not sys.stdin.readline():
            ended.set_result(None)
            loop.remove_reader(sys.stdin)
            return
        tally.at = time.time()
        print(msgspec.json.encode(tally).decode(), flush=True)

    loop.add_reader(sys.stdin, tell)
    await ended


if __name__ == "__main__":
    asyncio.run(main())
