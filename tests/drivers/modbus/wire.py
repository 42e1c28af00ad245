"""A Modbus TCP server made of plain bytes, to misbehave in every way that a real one will not.

By default register *i* holds *i*. A test gives ``answer``: what to send for one request, in which pieces, a
number being a pause in seconds.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

CLOSE = b"<close>"
RESET = b"<reset>"


class Asked:
    """One request as it came."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.transaction, _, _, self.unit, self.function = struct.unpack(">HHHBB", frame[:8])
        self.addr, self.count = struct.unpack(">HH", frame[8:12].ljust(4, b"\0"))

    def reply(
        self,
        values: Sequence[int] | None = None,
        *,
        transaction: int | None = None,
        unit: int | None = None,
        function: int | None = None,
    ) -> bytes:
        """Give the right answer, or one that is wrong in the ways named."""
        registers = range(self.addr, self.addr + self.count) if values is None else values
        data = b"".join((one & 0xFFFF).to_bytes(2, "big") for one in registers)
        return self.frame_of(
            bytes((function or self.function, len(data))) + data, transaction=transaction, unit=unit
        )

    def refusal(self, code: int) -> bytes:
        """Give an exception reply."""
        return self.frame_of(bytes((self.function | 0x80, code)))

    def frame_of(self, body: bytes, *, transaction: int | None = None, unit: int | None = None) -> bytes:
        """Put a header before *body*."""
        number = self.transaction if transaction is None else transaction
        return struct.pack(">HHHB", number, 0, len(body) + 1, self.unit if unit is None else unit) + body


Answer = Callable[[Asked], Sequence[bytes | float]]


class Wire:
    """The server: what came in, how many connections there are, and how it answers."""

    def __init__(self, answer: Answer | None) -> None:
        self.answer = answer or (lambda asked: [asked.reply()])
        self.received = b""
        self.asked: list[Asked] = []
        self.ever = self.open = self.most = 0
        self.port = 0
        self.writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.writers.add(writer)
        self.ever, self.open = self.ever + 1, self.open + 1
        self.most = max(self.most, self.open)
        try:
            while True:
                head = await reader.readexactly(6)
                frame = head + await reader.readexactly(int.from_bytes(head[4:], "big"))
                self.received += frame
                self.asked.append(Asked(frame))
                for piece in self.answer(self.asked[-1]):
                    if isinstance(piece, float):
                        await asyncio.sleep(piece)
                        continue
                    if piece in (CLOSE, RESET):
                        if piece == RESET:
                            writer.transport.abort()
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.01)  # a piece is a segment of its own; no time on a virtual loop
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self.open -= 1
            self.writers.discard(writer)
            writer.close()


@asynccontextmanager
async def serving(answer: Answer | None = None, port: int = 0) -> AsyncIterator[Wire]:
    """Serve on *port* of 127.0.0.1 (0: a free one) within the test's own loop."""
    wire = Wire(answer)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", port)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        for writer in list(wire.writers):
            writer.transport.abort()
        await server.wait_closed()
        await asyncio.sleep(0)
