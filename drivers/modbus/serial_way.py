"""A way over a serial port of this computer, opened for us alone, with the silences that RTU needs.

Nothing blocks: the event loop watches the port's file descriptor. An adapter that is unplugged ends the
connection at once.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from agent.core.errors import DriverError
from drivers.modbus.frames import Frames
from drivers.modbus.frames_rtu import RtuFrames
from drivers.modbus.line import Frame, character_seconds, quiet_seconds
from drivers.modbus.session import LinkLostError, Session
from drivers.serial.opening import gone, opened, release

if TYPE_CHECKING:
    import serial  # type: ignore[import-untyped]

_CHUNK: Final = 4096


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
        try:
            line, _ = opened(self.where, self._baud, self._frame)
        except DriverError as error:
            raise LinkLostError(str(error), patience=error.patience) from error
        session = make()
        _SerialTransport(line, session, self.where)
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
        release(self._line)
        if error is not None:
            self._session.gone(gone(self._where, error))
