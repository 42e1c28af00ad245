"""A TCP proxy that breaks a link in the ways that matter.

``ok`` passes bytes. ``cut`` resets every connection and refuses new ones. ``hole`` swallows every byte
without closing, as a router does that forgot the connection: one that lost bytes never recovers, and nobody
is told.
``slow`` passes bytes after ``delay`` seconds. ``garbage`` hands on what ``spoil`` makes of the far end's
bytes. ``deaf`` swallows all that the far end says. ``narrow`` passes 8,000 bytes a second. ``echo`` passes
bytes, and gives the near end its own back first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal

Mode = Literal["ok", "cut", "hole", "slow", "garbage", "deaf", "narrow", "echo"]
Spoil = Callable[[bytes], bytes]
_NARROW = 8000  # bytes a second: 64 kbit/s


def garbled(data: bytes) -> bytes:
    """Turn every byte into another."""
    return bytes(one ^ 0x5A for one in data)


class Proxy:
    """Stands between the gateway and a broker."""

    def __init__(self, upstream: int, *, delay: float = 0.1) -> None:
        self._upstream = upstream
        self.delay = delay
        self.spoil: Spoil = garbled
        self._mode: Mode = "ok"
        self._changed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.connections = 0
        self.swallowed = 0
        self.carried = 0

    async def start(self) -> None:
        """Listen on a port of the kernel's choice."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        self.set("cut")
        for task in list(self._tasks):
            task.cancel()
        for task in list(self._tasks):
            with suppress(asyncio.CancelledError, OSError):
                await task

    def set(self, mode: Mode) -> None:
        """Change how the link behaves, at once."""
        self._mode = mode
        if mode == "cut":
            for writer in list(self._writers):
                writer.transport.abort()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        self.connections += 1
        try:
            with suppress(asyncio.CancelledError):  # which asyncio's own callback would complain of
                await self._relay(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self._mode == "hole":  # a new connection hangs as long as the hole lasts
            await self._changed.wait()
        if self._mode == "cut":
            return
        with suppress(OSError):
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
            self._writers.add(up_writer)
            try:
                # the broken half ends the other one, as a real cut would
                await asyncio.gather(
                    self._pump(reader, up_writer, near=writer), self._pump(up_reader, writer, far=True)
                )
            finally:
                self._writers.discard(up_writer)
                up_writer.transport.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        near: asyncio.StreamWriter | None = None,
        far: bool = False,
    ) -> None:
        poisoned = False
        with suppress(OSError):
            while data := await reader.read(65536):
                poisoned = poisoned or self._mode == "hole"
                if poisoned:
                    self.swallowed += len(data)
                    continue
                if self._mode == "slow":
                    await asyncio.sleep(self.delay)
                if self._mode == "narrow":
                    await asyncio.sleep(len(data) / _NARROW)
                if self._mode == "deaf" and far:
                    continue
                if self._mode == "echo" and near:
                    near.write(data)
                if self._mode == "garbage" and far:
                    data = self.spoil(data)
                self.carried += len(data)
                writer.write(data)
                await writer.drain()
        if not poisoned:
            writer.transport.abort()


@asynccontextmanager
async def proxy(upstream: int, *, delay: float = 0.1) -> AsyncIterator[Proxy]:
    """Run a proxy for the length of an ``async with`` block."""
    made = Proxy(upstream, delay=delay)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
