"""Finds the process behind a control socket."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Final

_CREDENTIALS: Final = struct.Struct("iII")  # process, user and group: unix(7), SO_PEERCRED
_PATIENCE: Final = 2.0


def pid_of(control: Path) -> int | None:
    """Give the process that listens at *control*; None if none does, or it may not be asked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(_PATIENCE)
        try:
            line.connect(str(control))
        except OSError:
            return None
        found = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid: int = _CREDENTIALS.unpack(found)[0]
    return pid
