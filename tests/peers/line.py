"""A long or thin line to a broker: every byte arrives, ``delay`` seconds after it has had its turn.

``rate`` is bytes a second in each direction, 0: no limit; half a second's worth may queue before the line,
then senders wait, as they do before a modem.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

_QUEUE: Final = 0.5
_PIECE: Final = 512


class Line:
    """Stands between the gateway and a broker."""

    def __init__(self, upstream: int, *, delay: float, rate: float) -> None:
        self.port = 0
        self.carried = 0
        self._upstream = upstream
        self._delay = delay
        self._rate = rate

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        ways = [self._carry(reader, far_writer), self._carry(far_reader, writer)]
        tasks = [asyncio.ensure_future(one) for one in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for one in (writer, far_writer):
                one.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop, free = asyncio.get_running_loop(), 0.0
        with suppress(OSError):
            while data := await reader.read(_PIECE if self._rate else 65536):
                self.carried += len(data)
                now = loop.time()
                free = max(free, now) + (len(data) / self._rate if self._rate else 0.0)
                loop.call_at(free + self._delay, self._arrive, writer, data)
                if free - now > _QUEUE:
                    await asyncio.sleep(free - now - _QUEUE)
            await asyncio.sleep(max(0.0, free - loop.time()) + self._delay)  # what is on its way arrives

    @staticmethod
    def _arrive(writer: asyncio.StreamWriter, data: bytes) -> None:
        if not writer.is_closing():
            writer.write(data)


@asynccontextmanager
async def line(upstream: int, *, delay: float, rate: float = 0.0) -> AsyncIterator[Line]:
    """Run one for the length of an ``async with`` block."""
    made = Line(upstream, delay=delay, rate=rate)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError):
            await made.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
