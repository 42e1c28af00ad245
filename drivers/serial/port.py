"""A serial port read without ever blocking; it never writes.

The bytes come from the port's file descriptor, which the event loop watches. A port that is gone (an adapter
was unplugged) raises DriverError; opening it again is the supervisor's affair.
"""

from __future__ import annotations

import asyncio
import errno
import os

from agent.core.errors import DriverError
from drivers.serial.opening import gone, opened, release
from drivers.serial.settings import Frame
from drivers.serial.source import CHUNK


class SerialPort:
    """An open port; ``low_latency`` tells whether the adapter agreed to hand bytes on at once."""

    def __init__(self, path: str, baud: int, frame: Frame = "8N1") -> None:
        self._path = path
        self._line, self.low_latency = opened(path, baud, frame)
        self._fd: int = self._line.fileno()

    async def read(self) -> bytes:
        """Wait for bytes; raise DriverError when the port is gone."""
        while True:
            await self._readable()
            try:
                data = os.read(self._fd, CHUNK)
            except BlockingIOError:
                continue
            except OSError as error:
                raise DriverError(gone(self._path, error)) from error
            if not data:
                raise DriverError(gone(self._path, OSError(errno.EIO, "it hung up")))
            return data

    def close(self) -> None:
        """Close the port; others may open it again."""
        release(self._line)

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._fd, _wake, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._fd)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
