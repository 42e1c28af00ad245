"""Opens a serial port for us alone and sets it up: the only place that knows pyserial.

What cannot be opened is told in a sentence, with the adapters that are there. Sources: termios(3),
ioctl_tty(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
import termios
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.core.errors import DriverError
from drivers.serial.settings import Frame

if TYPE_CHECKING:
    import serial  # type: ignore[import-untyped]

BY_ID: Final = Path("/dev/serial/by-id")
_SOON: Final = 1.0  # seconds: looking whether a port is back disturbs nobody
_IFLAG, _CC = 0, 6
_BUSY: Final = frozenset((errno.EAGAIN, errno.EBUSY))


def opened(path: str, baud: int, frame: Frame) -> tuple[serial.Serial, bool]:
    """Give the open port, and whether its adapter hands bytes on at once; raise DriverError."""
    line = _open(path, baud, frame)
    try:
        _keep_out(line.fileno(), parity=frame[1] != "N")
        os.set_blocking(line.fileno(), False)
        return line, _hurry(line)
    except (OSError, termios.error) as error:
        line.close()
        raise DriverError(f"{path} cannot be set up: {reason(error)}", patience=_SOON) from error


def release(line: serial.Serial) -> None:
    """Close the port; others may open it again."""
    with suppress(OSError, termios.error, TypeError):  # TypeError: it is closed already
        fcntl.ioctl(line.fileno(), termios.TIOCNXCL)
    with suppress(OSError, termios.error):
        line.close()


def gone(path: str, error: Exception) -> str:
    """Say that a port which was open is no more."""
    return f"{path} is gone ({reason(error)}); was its adapter unplugged?"


def reason(error: Exception) -> str:
    """Give the system's words for *error*."""
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).rstrip(".")


def _open(path: str, baud: int, frame: Frame) -> serial.Serial:
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
        raise DriverError(_sentence(path, error), patience=_SOON) from error
    except (ValueError, termios.error) as error:
        raise DriverError(f"{path} cannot be set up: {reason(error)}") from error


def _keep_out(fd: int, *, parity: bool) -> None:
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
    except (ValueError, NotImplementedError, OSError):
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
    return f"{path} cannot be opened: {reason(error)}"


def _plugged() -> str:
    with suppress(OSError):
        if names := sorted(one.name for one in BY_ID.iterdir()):
            return f"plugged in ({BY_ID}): {', '.join(names)}"
    return "no serial adapter is plugged in"
