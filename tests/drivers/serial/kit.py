"""What tests of serial sensors share: a pseudo-terminal for a port, a script for a line, what was emitted."""

from __future__ import annotations

import asyncio
import os
import termios
import tty
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.core.clock import Clock, SystemClock
from agent.core.driver import Desk, Driver
from agent.core.errors import DriverError
from agent.core.sample import Meter, Sample


class Adapter:
    """A USB serial adapter: a pseudo-terminal behind a link that keeps its name, like those in by-id."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "usb-Sensor_0001-if00-port0"
        self._master = -1
        self._slave = -1

    def plug(self) -> Adapter:
        """Plug it in."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path.symlink_to(os.ttyname(self._slave))
        return self

    def send(self, data: bytes) -> None:
        """Let the device on it speak."""
        while data:
            data = data[os.write(self._master, data) :]

    def termios(self) -> list[Any]:
        """Give how the port is set."""
        return termios.tcgetattr(self._slave)

    def unplug(self) -> None:
        """Pull it."""
        self.path.unlink(missing_ok=True)
        for end in (self._slave, self._master):
            with suppress(OSError):
                os.close(end)


class Seen:
    """Collects samples, and lets a test wait for what it wants to see."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._news = asyncio.Event()

    def __call__(self, samples: Iterable[Sample]) -> None:
        self.samples.extend(samples)
        self._news.set()

    def of(self, point: str) -> list[Sample]:
        return [one for one in self.samples if one.point == point and not isinstance(one, Meter)]

    def values(self, point: str) -> list[float | None]:
        return [one.value for one in self.of(point)]

    def whys(self, point: str) -> list[str]:
        return [one.why for one in self.of(point)]

    async def until(self, count: int, point: str) -> list[Sample]:
        """Wait for *count* samples of *point*."""
        async with asyncio.timeout(20):
            while len(found := self.of(point)) < count:
                self._news.clear()
                await self._news.wait()
        return found


class Running:
    """A link at work for the length of a ``with`` block, which begins when its line is open."""

    def __init__(self, driver: Driver, clock: Clock | None = None) -> None:
        self.seen, self.desk = Seen(), Desk()
        self._driver, self._clock = driver, clock or SystemClock()

    async def __aenter__(self) -> Running:
        self.task = asyncio.create_task(self._driver.run(self.seen, self._clock, self.desk))
        await self.shows("connected", "yes")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError, DriverError):
            await self.task

    async def shows(self, figure: str, value: float | str) -> None:
        """Wait until a figure has this value."""
        async with asyncio.timeout(20):
            while self.desk.figures.get(figure) != value:
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0)


class Script:
    """A line on which the test says what comes: bytes, or the end."""

    def __init__(self) -> None:
        self._coming: asyncio.Queue[bytes | DriverError] = asyncio.Queue()
        self.closed = 0

    async def __call__(self) -> Script:
        return self

    async def read(self) -> bytes:
        coming = await self._coming.get()
        if isinstance(coming, DriverError):
            raise coming
        return coming

    def send(self, data: bytes) -> None:
        self._coming.put_nowait(data)

    def end(self) -> None:
        self._coming.put_nowait(DriverError("the line is gone"))

    def close(self) -> None:
        self.closed += 1
