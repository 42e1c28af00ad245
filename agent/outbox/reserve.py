"""Blocks put by for the hour when somebody else has filled the disk.

A SQLite file in WAL mode on a full disk can neither delete nor checkpoint: both need a little room first.
The reserve is a file whose blocks are allocated but never written, so it costs no wear; it is given back
step by step when a commit finds no room. It refuses to take a disk's last twentieth.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

STEP: Final = 1 << 20
_SHARE_LEFT: Final = 0.05


class Reserve:
    """One file of allocated, unwritten blocks."""

    def __init__(self, path: Path, target: int) -> None:
        self._path = path
        self._target = target

    @property
    def held(self) -> int:
        """Bytes of disk that it holds now."""
        try:
            return self._path.stat().st_blocks * 512
        except FileNotFoundError:
            return 0

    @property
    def whole(self) -> bool:
        """Whether it holds what it should."""
        return self.held >= self._target

    def fill(self) -> bool:
        """Take blocks up to the target while the disk has plenty; say whether it is whole."""
        if self.whole:
            return True
        disk = os.statvfs(self._path.parent)
        spare = disk.f_bavail * disk.f_frsize - disk.f_blocks * disk.f_frsize * _SHARE_LEFT
        if spare < self._target - self.held:
            return False
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # fallocate(2) itself: the C library's posix_fallocate writes every block where the file system
            # cannot allocate, and that is the wear this file is meant to avoid
            ctypes.CDLL(None).fallocate(handle, 0, ctypes.c_long(0), ctypes.c_long(self._target))
        finally:
            os.close(handle)
        return self.whole

    def give(self, least: int = STEP) -> bool:
        """Give *least* bytes back to the disk; say whether there was anything to give."""
        held = self.held
        if not held:
            return False
        size = max(0, self._path.stat().st_size - least)
        handle = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.ftruncate(handle, size)
            os.fsync(handle)
        finally:
            os.close(handle)
        return True
