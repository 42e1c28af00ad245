"""A file on which a trial notes what it is about to do: it is there whatever becomes of the process."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Final

_HEAD: Final = struct.Struct("<QQQQ")  # executions; bytes of memory when warm, and now; length of the input
_ROOM: Final = 1 << 20
WARM: Final = 1500
"""Executions after which everything that is made once has been made."""


class Slate:
    """How many were tried, how much memory that took, and the input that is under trial."""

    def __init__(self, place: Path) -> None:
        if not place.exists():
            place.write_bytes(bytes(_ROOM))
        with place.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _ROOM)
        self.executions, self.warm, self.now, self._size = _HEAD.unpack_from(self._map)

    @property
    def last(self) -> bytes:
        """The input that was tried last."""
        return self._map[_HEAD.size : _HEAD.size + self._size]

    def note(self, data: bytes) -> None:
        """Note that *data* is tried now."""
        self.executions += 1
        size = min(len(data), _ROOM - _HEAD.size)
        _HEAD.pack_into(self._map, 0, self.executions, self.warm, self.now, size)
        self._map[_HEAD.size : _HEAD.size + size] = data[:size]

    def weigh(self, resident: int) -> None:
        """Note how much memory the process holds now."""
        self.now = resident
        if self.executions <= WARM or not self.warm:
            self.warm = resident
        _HEAD.pack_into(self._map, 0, self.executions, self.warm, self.now, self._size)

    def close(self) -> None:
        """Let go of it."""
        self._map.close()
