"""Tries to get past the wall that keeps every function code but reads off the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from drivers.modbus.frames import Frames, Question
from drivers.modbus.frames_rtu import RtuFrames
from drivers.modbus.frames_tcp import TcpFrames
from drivers.modbus.request import IDENTIFY, POLITE, READ_ONLY

_MOST: Final = 0x80
_REST: Final = b"\x00\x01\x00\x01"
_ANOTHER_USE: Final = bytes((IDENTIFY, 0x0D)) + _REST  # CANopen behind Modbus: it could write


def slips() -> list[str]:
    """Name the requests that are no reads and were not refused, in both kinds of frames."""
    return [
        f"{type(frames).__name__}: function code {body[0]}"
        for frames in (TcpFrames(), RtuFrames())
        for body in _writes()
        if not _is_refused(frames, body)
    ]


def _writes() -> Iterator[bytes]:
    yield from (bytes((code,)) + _REST for code in range(_MOST) if code not in READ_ONLY)
    yield _ANOTHER_USE


def _is_refused(frames: Frames, body: bytes) -> bool:
    try:
        frames.ask(Question(1, body, -1, POLITE))
    except PermissionError:
        return True
    return False
