"""Cuts a stream of bytes into lines of text.

It refuses lines that are too long or no text in the chosen encoding, and says of the first one that it may
have lost its begin: nobody knows when a device began to speak.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from drivers.serial.hear import Counts
from drivers.serial.source import CHUNK

Encoding = Literal["utf-8", "ascii", "latin-1"]

_MANY: Final = 512
_ADVICE: Final = (
    "bytes come, but no text lines: look at baud and frame (9600 8N1 is usual), encoding, longest, and "
    "whether the line is inverted"
)


class Line(Struct, frozen=True):
    """A line without its end; ``whole`` is False when its begin may be missing."""

    text: str
    whole: bool


class LineParser:
    """Finds lines of at most *longest* bytes; see ``drivers.serial.hear.Parser``."""

    def __init__(self, longest: int, encoding: Encoding) -> None:
        self.counts = Counts()
        self._longest, self._encoding = longest, encoding
        self._rest = bytearray()
        self._whole = False
        self._skipping = False  # the present line is too long already
        self._noise_in_a_row = 0

    @property
    def hint(self) -> str:
        """What to look at when nothing but noise comes."""
        return _ADVICE if self._noise_in_a_row >= _MANY else ""

    def feed(self, data: bytes) -> list[Line]:
        """Take any bytes and give the lines that they complete."""
        found: list[Line] = []
        for begin in range(0, len(data), CHUNK):
            *ended, rest = data[begin : begin + CHUNK].split(b"\n")
            for part in ended:
                self._add(part)
                if (line := self._ended()) is not None:
                    found.append(line)
            self._add(rest)
        return found

    def _add(self, part: bytes) -> None:
        self._rest += part
        if self._skipping or len(self._rest.rstrip(b"\r")) > self._longest:
            self._skipping = True
            self._noise(len(self._rest))
            self._rest.clear()

    def _ended(self) -> Line | None:
        data, whole, skipped = bytes(self._rest), self._whole, self._skipping
        self._rest.clear()
        self._whole, self._skipping = True, False
        if skipped:
            self.counts.malformed += 1
            return None
        try:
            text = data.decode(self._encoding).strip()
        except UnicodeDecodeError:
            text = "\0"
        if not text:
            return None
        if not text.replace("\t", " ").isprintable():
            self.counts.malformed += 1
            self._noise(len(data))
            return None
        self.counts.frames += 1
        self._noise_in_a_row = 0
        return Line(text, whole)

    def _noise(self, number: int) -> None:
        self.counts.noise_bytes += number
        self._noise_in_a_row += number
