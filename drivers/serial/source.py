"""Where bytes come from: a serial port, or a raw TCP connection to a serial server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from drivers.serial.settings import SerialLink

CHUNK: Final = 4096
"""Bytes that one read may give, so that no flood keeps others from their turn."""


class Source(Protocol):
    """An open line; it is only read from."""

    async def read(self) -> bytes:
        """Wait for bytes and give at most CHUNK of them; raise DriverError when the line is lost."""
        ...

    def close(self) -> None:
        """Let go of the line."""
        ...


Opener = Callable[[], Awaitable[Source]]


def opener(link: SerialLink) -> Opener:
    """Give what opens the line of *link*; it raises DriverError when that fails."""

    async def opened() -> Source:
        if link.port is not None:
            from drivers.serial.tcp import connect

            return await connect(link.host, link.port)
        from drivers.serial.port import SerialPort

        return SerialPort(link.path, *link.line())

    return opened
