"""A Modbus RTU line made of plain bytes, behind TCP so that it runs on virtual time too.

Requests are answered in order, one after the other, as a converter or a line does. By default register *i*
of every unit holds *i*. A test gives ``answer``: what to send for one request, a number being a pause in
seconds.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from drivers.modbus.crc import crc
from tests.drivers.modbus.wire import CLOSE, RESET


class Asked:
    """One request as it came."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.unit, self.function = frame[:2]
        self.addr, self.count = struct.unpack(">HH", frame[2:6]) if len(frame) == 8 else (0, 0)

    def reply(
        self, values: Sequence[int] | None = None, *, unit: int | None = None, function: int | None = None
    ) -> bytes:
        """Give the right answer, or one that is wrong in the ways named."""
        if self.function in (1, 2) and values is None:
            bits = sum(1 << i for i in range(self.count) if (self.addr + i) % 3 == 0)
            data = bits.to_bytes((self.count + 7) // 8, "little")
        else:
            registers = range(self.addr, self.addr + self.count) if values is None else values
            data = b"".join((one & 0xFFFF).to_bytes(2, "big") for one in registers)
        return self.frame_of(bytes((function or self.function, len(data))) + data, unit=unit)

    def refusal(self, code: int) -> bytes:
        """Give an exception reply."""
        return self.frame_of(bytes((self.function | 0x80, code)))

    def frame_of(self, body: bytes, *, unit: int | None = None) -> bytes:
        """Put unit and checksum around *body*."""
        frame = bytes((self.unit if unit is None else unit,)) + body
        return frame + crc(frame)


Answer = Callable[[Asked], Sequence[bytes | float]]


class RtuWire:
    """The far end: what came in, and how it answers."""

    def __init__(self, answer: Answer | None) -> None:
        self.answer = answer or (lambda asked: [asked.reply()])
        self.asked: list[Asked] = []
        self.at: list[float] = []
        self.ever = self.open = self.most = 0
        self.port = 0
        self.writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: requests queue up and are answered in order."""
        self.writers.add(writer)
        self.ever, self.open = self.ever + 1, self.open + 1
        self.most = max(self.most, self.open)
        queue: asyncio.Queue[Asked] = asyncio.Queue()
        working = asyncio.create_task(self._work(queue, writer))
        try:
            while True:
                head = await reader.readexactly(2)
                frame = head + await reader.readexactly(5 if head[1] == 0x2B else 6)
                assert crc(frame[:-2]) == frame[-2:]
                self.asked.append(Asked(frame))
                self.at.append(asyncio.get_running_loop().time())
                queue.put_nowait(self.asked[-1])
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self.open -= 1
            working.cancel()
            self.writers.discard(writer)
            writer.close()

    async def _work(self, queue: asyncio.Queue[Asked], writer: asyncio.StreamWriter) -> None:
        while True:
            for piece in self.answer(await queue.get()):
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                elif piece in (CLOSE, RESET):
                    writer.transport.abort()
                    return
                else:
                    writer.write(piece)
                    await asyncio.sleep(0.001)  # a piece is a segment of its own


@asynccontextmanager
async def rtu_serving(answer: Answer | None = None) -> AsyncIterator[RtuWire]:
    """Serve on a free port of 127.0.0.1 within the test's own loop."""
    wire = RtuWire(answer)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        for writer in list(wire.writers):
            writer.transport.abort()
        await server.wait_closed()
        await asyncio.sleep(0)
