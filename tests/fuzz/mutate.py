"""Makes new bytes of known ones: what wire, disk and enemies do to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

_ODD: Final = (0, 1, 2, 0x7F, 0x80, 0x81, 0xFE, 0xFF, *b"09-+.eE\r\n\"'{}[](),;:=/<>!#%&\\ ")
_SIZES: Final = (1, 2, 4, 8)
_REPEATS: Final = (2, 3, 16, 64, 1024, 5000)


class Mutator:
    """All by one source of chance, so that a seed gives the same mutants again."""

    def __init__(self, rng: Random, words: Sequence[bytes], longest: int) -> None:
        self._rng = rng
        self._words = words
        self._longest = longest
        self._ways: tuple[Callable[[bytearray, bytes], None], ...] = (
            self._flip, self._flip, self._set, self._set, self._insert, self._delete, self._delete,
            self._copy, self._number, self._digits, self._repeat, self._splice, self._cut, self._word,
            self._word,
        )  # fmt: skip

    def mutant(self, parent: bytes, other: bytes) -> bytes:
        """Change *parent* in one place or in several; *other* may lend a part."""
        data = bytearray(parent)
        for _ in range(self._rng.choice((1, 1, 1, 2, 3, 5, 12))):
            self._rng.choice(self._ways)(data, other)
        return bytes(data[: self._longest])

    def _at(self, data: bytearray, *, end: bool = False) -> int:
        return self._rng.randrange(len(data) + end) if len(data) + end else 0

    def _span(self, data: bytes | bytearray) -> tuple[int, int]:
        if not data:
            return 0, 0
        at = self._rng.randrange(len(data))
        return at, min(len(data), at + self._rng.choice((1, 1, 2, 3, 4, 8, 16, 64, 512)))

    def _flip(self, data: bytearray, _: bytes) -> None:
        if data:
            data[self._at(data)] ^= 1 << self._rng.randrange(8)

    def _set(self, data: bytearray, _: bytes) -> None:
        if data:
            data[self._at(data)] = (
                self._rng.choice(_ODD) if self._rng.random() < 0.6 else self._rng.randrange(256)
            )

    def _insert(self, data: bytearray, _: bytes) -> None:
        at = self._at(data, end=True)
        data[at:at] = self._rng.randbytes(self._rng.choice((1, 1, 2, 4, 16)))

    def _delete(self, data: bytearray, _: bytes) -> None:
        begin, end = self._span(data)
        del data[begin:end]

    def _copy(self, data: bytearray, _: bytes) -> None:
        begin, end = self._span(data)
        at = self._at(data, end=True)
        data[at:at] = data[begin:end]

    def _number(self, data: bytearray, _: bytes) -> None:
        """Write a number that lies at some border."""
        size = self._rng.choice(_SIZES)
        top = 1 << 8 * size
        number = self._rng.choice(
            (0, 1, top - 1, top // 2, top // 2 - 1, len(data), len(data) - 1, self._rng.randrange(top))
        )
        at = self._at(data)
        data[at : at + size] = (number % top).to_bytes(size, self._rng.choice(("big", "little")))

    def _digits(self, data: bytearray, _: bytes) -> None:
        """Make a decimal number of a digit: another one, one too long, or none at all."""
        places = [at for at, byte in enumerate(data) if 0x30 <= byte <= 0x39]
        if places:
            at = self._rng.choice(places)
            data[at : at + 1] = self._rng.choice(
                (
                    b"0",
                    b"-1",
                    b"9" * self._rng.choice((3, 11, 20, 400, 5000)),
                    b"1e999",
                    b"0x1",
                    b"1_0",
                    b"nan",
                    b"",
                )
            )

    def _repeat(self, data: bytearray, _: bytes) -> None:
        begin, end = self._span(data)
        times = min(self._rng.choice(_REPEATS), self._longest // max(1, end - begin))
        data[begin:end] = data[begin:end] * times

    def _splice(self, data: bytearray, other: bytes) -> None:
        begin, end = self._span(other)
        at = self._at(data, end=True)
        data[at : at + self._rng.choice((0, end - begin))] = other[begin:end]

    def _cut(self, data: bytearray, _: bytes) -> None:
        if self._rng.random() < 0.3:
            del data[self._at(data, end=True) :]

    def _word(self, data: bytearray, _: bytes) -> None:
        if self._words:
            word = self._rng.choice(self._words)
            at = self._at(data, end=True)
            data[at : at + self._rng.choice((0, 0, 1, len(word)))] = word
