"""How right a count is: one minus what it is off over what really passed; and how sure that is."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from agent.cli.scene import Expected
    from agent.core.scene import Class

_SURE: Final = 1.96  # standard deviations: 95 %

Counts = dict[tuple[str, "Class", str], int]  # line, class, direction


class Compared(Struct, frozen=True):
    """One number that was counted by both: ``kind`` is a class, or ``all`` of the line's."""

    line: str
    kind: str
    direction: str
    counted: int
    expected: int

    @property
    def off(self) -> int:
        """By how much the count is wrong."""
        return abs(self.counted - self.expected)


class Accuracy(Struct, frozen=True):
    """The share of passages that were counted right, with the interval that it lies in, 95 times of 100."""

    share: float
    low: float
    high: float
    passages: int
    off: int


def compared(counts: Counts, expected: Expected) -> list[Compared]:
    """Put what was counted beside what was expected."""
    rows = []
    for (line, kind, direction), wanted in expected.items():
        counted = sum(
            many
            for (where, what, way), many in counts.items()
            if where == line and way == direction and kind in {None, what}
        )
        rows.append(Compared(line, kind or "all", direction, counted, wanted))
    return rows


def accuracy(rows: list[Compared]) -> Accuracy | None:
    """Sum up; None when nothing was expected to pass."""
    passages, off = sum(one.expected for one in rows), sum(one.off for one in rows)
    if not passages:
        return None
    low, high = interval(max(0, passages - off), passages)
    return Accuracy(1 - off / passages, low, high, passages, off)


def interval(right: int, of: int) -> tuple[float, float]:
    """Give Wilson's interval for *right* of *of* passages, each of them counted right or not by chance."""
    share, square = right / of, _SURE**2 / of
    middle = (share + square / 2) / (1 + square)
    half = _SURE / (1 + square) * sqrt(share * (1 - share) / of + square / (4 * of))
    return max(0.0, middle - half), min(1.0, middle + half)
