"""The devices that one side reads: a Modbus TCP gateway and an RTU converter, which break when told to.

    python -m bench.peers.field

It prints its two ports; each line of its standard input is a `Trouble` in JSON, which holds from then on, and
is answered with what was asked so far. Both endpoints answer in order, as a serial line does: what is late
delays what comes after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from bench.peers.site import point_of, word
from drivers.modbus.crc import crc

LATE: Final = 1.3
"""How late a late reply is: later than the second that everybody waits."""
LATE_EVERY: Final = 2.0
"""Seconds from one late reply to the next: one of twenty, at ten requests a second."""
_HEAD: Final = struct.Struct(">HHHBBHH")
_RTU: Final = struct.Struct(">BBHH")
_READS: Final = (3, 4)
_BAUD: Final = 115_200
_FRAMING: Final = 13 + 7  # characters besides the registers: both frames, and two pauses of 3.5 characters


class Trouble(Struct, frozen=True):
    """What is wrong with the field: replies late, a unit of the gateway silent, connections refused."""

    late: bool = False
    silent: int = 0
    refused: bool = False


class Tally(Struct):
    """What was asked until the UTC second ``at``; ``line``: the seconds that 115200 baud take for it."""

    at: float = 0.0
    connections: int = 0
    requests: int = 0
    registers: int = 0
    line: float = 0.0


class Field:
    """A running field, seen from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.tcp, self.rtu = json.loads(self._line())

    def be(self, trouble: Trouble) -> Tally:
        """Let *trouble* hold from now on; give what was asked so far."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(trouble).decode() + "\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._line(), type=Tally)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextlib.contextmanager
def serving() -> Iterator[Field]:
    """Run a field in a process of its own."""
    command = [sys.executable, "-m", "bench.peers.field"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Field(process)
        finally:
            process.terminate()


class Endpoint:
    """One of the two: its port, its line, and who is connected."""

    def __init__(self, kind: str, tally: Tally) -> None:
        self.kind, self.tally = kind, tally
        self.trouble = Trouble()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._callers: set[asyncio.Transport] = set()
        self._free = self._late = 0.0

    async def open(self) -> None:
        """Listen, on the port that it had before if it had one."""
        make = _Tcp if self.kind == "d" else _Rtu
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: make(self, self._callers), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def be(self, trouble: Trouble) -> None:
        """Change how it behaves."""
        before, self.trouble = self.trouble, trouble
        if trouble.refused and self._server is not None:
            self._server.close()
            self._server = None
            for one in list(self._callers):
                one.abort()
        elif before.refused and not trouble.refused:
            await self.open()

    def answer(self, unit: int, addr: int, count: int) -> tuple[float, bytes]:
        """Give the seconds until the reply comes, and its registers; none come from a silent unit."""
        now = time.time()
        self.tally.requests += 1
        self.tally.registers += count
        self.tally.line += (_FRAMING + 2 * count) * 10 / _BAUD
        if self.kind == "d" and unit == self.trouble.silent:
            return 0.0, b""
        ready = max(now, self._free)
        if self.trouble.late and now >= self._late:
            self._late = now + LATE_EVERY
            ready += LATE
        self._free = ready
        device = f"{self.kind}{unit}"
        words = [word(point_of(device, addr + offset), now) for offset in range(count)]
        return ready - now, struct.pack(f">{count}H", *words)


class _Caller(asyncio.Protocol):
    """One connection; the two kinds differ in how they frame."""

    def __init__(self, endpoint: Endpoint, callers: set[asyncio.Transport]) -> None:
        self._endpoint, self._callers = endpoint, callers
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._callers.add(transport)
        self._endpoint.tally.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._callers.discard(self._transport)

    def _reply(self, wait: float, reply: bytes) -> None:
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._send, reply)
        else:
            self._send(reply)

    def _send(self, reply: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(reply)


class _Tcp(_Caller):
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            number, _, _, unit, function, addr, count = _HEAD.unpack_from(self._buffer)
            self._buffer = self._buffer[_HEAD.size :]
            if function not in _READS:
                self._transport.abort()
                return
            wait, words = self._endpoint.answer(unit, addr, count)
            if words:
                head = struct.pack(">HHHBBB", number, 0, 3 + len(words), unit, function, len(words))
                self._reply(wait, head + words)


class _Rtu(_Caller):
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _RTU.size + 2:
            unit, function, addr, count = _RTU.unpack_from(self._buffer)
            self._buffer = self._buffer[_RTU.size + 2 :]
            if function not in _READS:
                self._transport.abort()
                return
            wait, words = self._endpoint.answer(unit, addr, count)
            frame = struct.pack(">BBB", unit, function, len(words)) + words
            self._reply(wait, frame + crc(frame))


async def main() -> None:
    """Serve until nobody listens any more."""
    tally, loop = Tally(), asyncio.get_running_loop()
    endpoints = [Endpoint("d", tally), Endpoint("c", tally)]
    for one in endpoints:
        await one.open()
    print(json.dumps([one.port for one in endpoints]), flush=True)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        trouble = msgspec.json.decode(line, type=Trouble)
        for one in endpoints:
            await one.be(trouble)
        tally.at = time.time()
        print(msgspec.json.encode(tally).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
