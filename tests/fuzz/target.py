"""A target: one reader of foreign bytes, bytes that it understands, and what must hold whatever comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

T = TypeVar("T")
SEEDS: Final = "seeds"
"""A folder in which ``prepare`` may leave seeds that are made, and not written down."""

Run = Callable[[bytes], None]
"""Hands bytes to the reader; raises, with AssertionError or anything else, what must not happen."""


class Target(Struct, frozen=True, kw_only=True):
    """What is fuzzed under *name*; ``prepare`` gives its ``Run``, which may use an empty folder.

    ``words`` are put into mutants as they are, ``everyday`` is how many of these the everyday tests try.
    """

    name: str
    about: str
    prepare: Callable[[Path], Run]
    seeds: Callable[[], Sequence[bytes]]
    words: tuple[bytes, ...] = ()
    everyday: int = 1000
    longest: int = 4096


def pure(run: Run) -> Callable[[Path], Run]:
    """Give the ``prepare`` of what needs no folder."""
    return lambda _: run


class Feed:
    """Bytes that are taken from the front: a few decide how the rest is handed over."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """Take one; 0 when there is none."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def choose(self, options: Sequence[T]) -> T:
        """Take one byte to choose by."""
        return options[self.byte() % len(options)]

    def some(self, size: int) -> bytes:
        """Take at most *size*."""
        begin, self._at = self._at, self._at + size
        return self._data[begin : self._at]

    def rest(self) -> bytes:
        """Take all that is left."""
        begin, self._at = self._at, len(self._data)
        return self._data[begin:]

    def block(self) -> bytes:
        """Take bytes whose number stands before them, in two bytes."""
        return self.some(int.from_bytes(self.some(2), "big"))

    def blocks(self, most: int = 32) -> Iterator[bytes]:
        """Take blocks until nothing is left."""
        for _ in range(most):
            if self._at >= len(self._data):
                return
            yield self.block()

    def pieces(self) -> list[bytes]:
        """Take all that is left in pieces; one byte decides how large they are, 0: it is one piece."""
        size, data = self.byte(), self.rest()
        if not size:
            return [data]
        found, at, step = [], 0, size
        while at < len(data):
            found.append(data[at : at + step])
            at, step = at + step, step * 7 % 41 + 1
        return found


MARK: Final = b"\x1e"
"""Stands between texts that are handed over together."""


def texts(data: bytes, many: int) -> list[bytes]:
    """Give *many* texts; those that are missing are empty."""
    return (data.split(MARK, many - 1) + [b""] * many)[:many]


def block(data: bytes) -> bytes:
    """Write what ``Feed.block`` takes."""
    return len(data).to_bytes(2, "big") + data
