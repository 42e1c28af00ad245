"""Finds short binary frames of a fixed form, each begun by a known header, among any other bytes.

It hunts at every offset: a header that is no frame costs one byte, never the frame behind it. It keeps less
than one frame, and refuses whatever its form does not prove.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct

from drivers.serial.hear import Counts
from drivers.serial.source import CHUNK

Verdict = Literal["good", "bad_checksum", "other"]
_MANY: Final = 200


class Form(Struct, frozen=True):
    """How a frame looks: its header, its length by its first bytes (0: it is none), and what proves it.

    ``head`` is how many bytes ``size`` must see.
    """

    header: bytes
    head: int
    size: Callable[[bytes], int]
    judge: Callable[[bytes], Verdict]


class FixedParser:
    """Finds frames of one form; see ``drivers.serial.hear.Parser``."""

    def __init__(self, form: Form, advice: str) -> None:
        self.counts = Counts()
        self._form, self._advice = form, advice
        self._rest = b""
        self._noise_in_a_row = 0

    @property
    def hint(self) -> str:
        """What to look at when nothing but noise comes."""
        return self._advice if self._noise_in_a_row >= _MANY else ""

    def feed(self, data: bytes) -> list[bytes]:
        """Take any bytes and give the frames that they complete."""
        frames: list[bytes] = []
        for begin in range(0, len(data), CHUNK):
            frames += self._hunt(self._rest + data[begin : begin + CHUNK])
        return frames

    def _hunt(self, buffer: bytes) -> list[bytes]:
        frames: list[bytes] = []
        form, at = self._form, 0
        while True:
            found = buffer.find(form.header, at)
            if found < 0:
                found = len(buffer) - _overlap(buffer, at, form.header)
                self._noise(found - at)
                at = found
                break
            self._noise(found - at)
            at = found
            if len(buffer) - at < form.head:
                break
            size = form.size(buffer[at : at + form.head])
            if size and len(buffer) - at < size:
                break
            verdict = form.judge(buffer[at : at + size]) if size else "other"
            if verdict == "good":
                frames.append(buffer[at : at + size])
                self.counts.frames += 1
                self._noise_in_a_row = 0
                at += size
            else:
                self.counts.bad_checksum += verdict == "bad_checksum"
                self._noise(1)
                at += 1
        self._rest = buffer[at:]
        return frames

    def _noise(self, number: int) -> None:
        self.counts.noise_bytes += number
        self._noise_in_a_row += number


def _overlap(buffer: bytes, at: int, header: bytes) -> int:
    """Give how many bytes at the end of *buffer* (from *at* on) may be the begin of a header."""
    most = min(len(header) - 1, len(buffer) - at)
    return next((n for n in range(most, 0, -1) if buffer.endswith(header[:n])), 0)
