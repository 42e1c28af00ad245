"""A serial port, opened for us alone and read without ever blocking: the only place that knows pyserial.

pyserial sets the port up; the bytes come from its file descriptor, which the event loop watches. It never
writes. A port that is gone (an adapter was unplugged) raises DriverError; opening it again is the
supervisor's affair. Source for the settings: termios(3), ioctl_tty(2).
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import termios
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.core.errors import DriverError
from drivers.serial.settings import Frame
from drivers.serial.source import CHUNK

if TYPE_CHECKING:
    import serial  # type: ignore[import-untyped]

BY_ID: Final = Path("/dev/serial/by-id")
_IFLAG, _CC = 0, 6
_BUSY: Final = frozenset((errno.EAGAIN, errno.EBUSY))


class SerialPort:
    """An open port; ``low_latency`` tells whether the adapter agreed to hand bytes on at once."""

    def __init__(self, path: str, baud: int, frame: Frame = "8N1") -> None:
        self._path = path
        self._line = _opened(path, baud, frame)
        self._fd: int = self._line.fileno()
        try:
            _tune(self._fd, parity=frame[1] != "N")
            self.low_latency = _hurry(self._line)
        except (OSError, termios.error) as error:
            self.close()
            raise DriverError(f"{path} cannot be set up: {_reason(error)}") from error

    async def read(self) -> bytes:
        """Wait for bytes; raise DriverError when the port is gone."""
        while True:
            await self._readable()
            try:
                data = os.read(self._fd, CHUNK)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._gone(_reason(error)) from error
            if not data:
                raise self._gone("it hung up")
            return data

    def close(self) -> None:
        """Close the port; others may open it again."""
        with suppress(OSError, termios.error):
            fcntl.ioctl(self._fd, termios.TIOCNXCL)
        self._line.close()

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._fd, _wake, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._fd)

    def _gone(self, reason: str) -> DriverError:
        return DriverError(f"{self._path} is gone ({reason}); was its adapter unplugged?")


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _opened(path: str, baud: int, frame: Frame) -> serial.Serial:
    try:
        import serial
    except ImportError as error:
        raise DriverError(
            f"{path} cannot be opened: pyserial is missing; install citygate[serial]"
        ) from error
    try:
        return serial.Serial(
            path,
            baud,
            bytesize=int(frame[0]),
            parity=frame[1],
            stopbits=int(frame[2]),
            timeout=0,
            exclusive=True,
        )
    except serial.SerialException as error:
        raise DriverError(_sentence(path, error)) from error
    except (ValueError, termios.error) as error:
        raise DriverError(f"{path} cannot be set up: {_reason(error)}") from error


def _tune(fd: int, *, parity: bool) -> None:
    """Keep others out, let a byte of wrong parity read as zero, and an empty read mean a hang-up."""
    fcntl.ioctl(fd, termios.TIOCEXCL)
    attributes = termios.tcgetattr(fd)
    if parity:
        attributes[_IFLAG] |= termios.INPCK  # pyserial leaves parity of what comes in unchecked
    attributes[_CC][termios.VMIN] = 1  # with 0, "no bytes yet" could not be told from "hung up"
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


def _hurry(line: serial.Serial) -> bool:
    try:
        line.set_low_latency_mode(True)
    except (ValueError, NotImplementedError):
        return False  # a pseudo-terminal or an adapter that does not know it
    return True


def _sentence(path: str, error: serial.SerialException) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return f"{path} is not there; {_plugged()}"
        case errno.EACCES | errno.EPERM:
            return f"{path} may not be opened; add the gateway's user to the group dialout"
        case code if code in _BUSY:
            return f"{path} is in use by another program"
    return f"{path} cannot be opened: {_reason(error)}"


def _plugged() -> str:
    with suppress(OSError):
        if names := sorted(one.name for one in BY_ID.iterdir()):
            return f"plugged in ({BY_ID}): {', '.join(names)}"
    return "no serial adapter is plugged in"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).rstrip(".")
