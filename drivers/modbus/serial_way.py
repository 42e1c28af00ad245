"""A way over a serial port of this computer, opened for us alone, with the silences that RTU needs.

Nothing blocks: the event loop watches the port's file descriptor. An adapter that is unplugged ends the
connection at once. Sources: termios(3), ioctl_tty(2).
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from drivers.modbus.frames import Frames
from drivers.modbus.frames_rtu import RtuFrames
from drivers.modbus.line import Frame, character_seconds, quiet_seconds
from drivers.modbus.session import LinkLostError, Session

if TYPE_CHECKING:
    import serial  # type: ignore[import-untyped]

BY_ID: Final = Path("/dev/serial/by-id")
_CHUNK: Final = 4096
_CC: Final = 6
_BUSY: Final = frozenset((errno.EAGAIN, errno.EBUSY))


class SerialWay:
    """One serial port; *frame* is data bits, parity and stop bits, such as 8N1."""

    lasting = True

    def __init__(self, path: str, baud: int, frame: Frame) -> None:
        self.where = path
        self._baud, self._frame = baud, frame
        self.character = character_seconds(baud, frame)
        self.quiet = quiet_seconds(baud, frame)

    def frames(self) -> Frames:
        """Make the frames of this way."""
        return RtuFrames()

    async def open(self, make: Callable[[], Session]) -> Session:
        """Open the port; raise LinkLostError."""
        line = _opened(self.where, self._baud, self._frame)
        try:
            _set_up(line)
            session = make()
            _SerialTransport(line, session, self.where)
        except (OSError, termios.error) as error:
            line.close()
            raise LinkLostError(f"{self.where} cannot be set up: {_reason(error)}") from error
        return session


class _SerialTransport(asyncio.Transport):
    """The port's file descriptor, as asyncio sees a connection."""

    def __init__(self, line: serial.Serial, session: Session, where: str) -> None:
        super().__init__()
        self._line, self._session, self._where = line, session, where
        self._fd: int = line.fileno()
        self._loop = asyncio.get_running_loop()
        self._unsent = b""
        self._closed = False
        session.connection_made(self)
        self._loop.add_reader(self._fd, self._read)

    def write(self, data: Any) -> None:  # noqa: ANN401 - asyncio's own signature has bytes-like kinds
        """Send; what the kernel does not take at once follows when it does."""
        if self._closed:
            return
        self._unsent += bytes(data)
        self._flush()

    def abort(self) -> None:
        """Close the port at once."""
        self._end(None)

    def close(self) -> None:
        """Close the port at once: there is nothing to wait for on a line that only answers."""
        self._end(None)

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self._closed

    def _flush(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._fd, self._unsent) :]
        except BlockingIOError:
            pass
        except OSError as error:
            self._end(error)
            return
        if self._unsent:
            self._loop.add_writer(self._fd, self._flush)
        else:
            self._loop.remove_writer(self._fd)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if data:
            self._session.data_received(data)
        else:
            self._end(OSError(errno.EIO, "it hung up"))

    def _end(self, error: OSError | None) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        with suppress(OSError, termios.error):
            fcntl.ioctl(self._fd, termios.TIOCNXCL)
        with suppress(OSError, termios.error):
            self._line.close()
        if error is not None:
            self._session.gone(f"{self._where} is gone ({_reason(error)}); was its adapter unplugged?")


def _opened(path: str, baud: int, frame: Frame) -> serial.Serial:
    try:
        import serial
    except ImportError as error:
        raise LinkLostError(
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
        raise LinkLostError(_sentence(path, error)) from error
    except (ValueError, termios.error) as error:
        raise LinkLostError(f"{path} cannot be set up: {_reason(error)}") from error


def _set_up(line: serial.Serial) -> None:
    """Keep other programs out, tell an empty read from a hang-up, and hurry the adapter where it can."""
    fd = line.fileno()
    fcntl.ioctl(fd, termios.TIOCEXCL)
    attributes = termios.tcgetattr(fd)
    attributes[_CC][termios.VMIN] = 1
    termios.tcsetattr(fd, termios.TCSANOW, attributes)
    os.set_blocking(fd, False)
    with suppress(ValueError, NotImplementedError, OSError):
        line.set_low_latency_mode(True)


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
