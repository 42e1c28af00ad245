"""What a cost curve is: steps of one growing size, the straight line through them, and its table in Markdown.

The table is read back from the page, so that the plot is drawn from what the page says. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

FEW: Final = 3  # steps at the small end, by which the largest is foretold
_ROW: Final = re.compile(r"^\| *([\d.]+(?: *\| *[\d.]+)*) *\|$", re.M)


class Step(Struct, frozen=True):
    """What one size costs: CPU in % of one core, memory in MB.

    ``polls`` and ``windows`` are how late they come, in ms: polls after their beat (99 of 100 are sooner),
    windows at the city after the second in which they close (the latest). ``looks`` counts the pictures a
    second that are looked at, of each camera; 0 without cameras.
    """

    size: int
    cpu: float
    rss: float
    polls: float
    windows: float
    looks: float = 0.0


class Measure(Struct, frozen=True):
    """One column: its word, what it is, its unit, and how many digits stand behind the point."""

    word: str
    what: str
    unit: str
    digits: int

    def of(self, step: Step) -> float:
        """Give its value."""
        value: float = getattr(step, self.word)
        return value


CPU, RSS, POLLS, WINDOWS, LOOKS = MEASURES = (
    Measure("cpu", "CPU", "% of one core", 2),
    Measure("rss", "memory", "MB", 1),
    Measure("polls", "polls late", "ms", 1),
    Measure("windows", "windows late", "ms", 0),
    Measure("looks", "pictures a second", "", 2),
)


class Line(Struct, frozen=True):
    """``start + slope * size``, and the share of the variance that it explains."""

    start: float
    slope: float
    fit: float

    def at(self, size: float) -> float:
        """Give its value at *size*."""
        return self.start + self.slope * size


def line(points: Sequence[tuple[float, float]]) -> Line:
    """Lay the line of least squares through *points*, two at least."""
    many = len(points)
    middle, level = sum(x for x, _ in points) / many, sum(y for _, y in points) / many
    across = sum((x - middle) ** 2 for x, _ in points)
    slope = sum((x - middle) * (y - level) for x, y in points) / across
    start = level - slope * middle
    whole = sum((y - level) ** 2 for _, y in points)
    left = sum((y - start - slope * x) ** 2 for x, y in points)
    return Line(start, slope, 1 - left / whole if whole else 1.0)


def fitted(steps: Sequence[Step], measure: Measure) -> Line:
    """Lay the line through all *steps*."""
    return line([(one.size, measure.of(one)) for one in steps])


def foretold(steps: Sequence[Step], measure: Measure) -> float:
    """Say what the largest step would cost if the small end went on in a straight line."""
    return line([(one.size, measure.of(one)) for one in steps[:FEW]]).at(steps[-1].size)


def rounded(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Give the steps as the table tells them."""
    return tuple(Step(one.size, *(round(kind.of(one), kind.digits) for kind in MEASURES)) for one in steps)


def table(thing: str, steps: Sequence[Step]) -> str:
    """Write the steps as a table; pictures only where there are any."""
    kinds = _kinds(steps)
    heads = [f"{thing}s", *(f"{kind.what}, {kind.unit}" if kind.unit else kind.what for kind in kinds)]
    rows = [[str(one.size), *(f"{kind.of(one):.{kind.digits}f}" for kind in kinds)] for one in steps]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))


def read(text: str) -> tuple[Step, ...]:
    """Read the steps of a table."""
    rows = [[float(cell) for cell in row.split("|")] for row in _ROW.findall(text)]
    return tuple(Step(int(size), *rest) for size, *rest in rows)


def told(thing: str, steps: Sequence[Step]) -> str:
    """Say in words what line CPU and memory follow."""
    return "\n".join(_told(thing, steps, kind) for kind in (CPU, RSS))


def _told(thing: str, steps: Sequence[Step], kind: Measure) -> str:
    found = fitted(steps, kind)
    share = kind.of(steps[-1]) / foretold(steps, kind)
    sign = "-" if found.slope < 0 else "+"
    return (
        f"- {kind.what}: {found.start:.3g} {sign} {abs(found.slope):.3g} {kind.unit} for each {thing}, "
        f"r² {found.fit:.3f}; the last row is {share:.2f} of what the first {FEW} foretell"
    )


def _kinds(steps: Sequence[Step]) -> Sequence[Measure]:
    return MEASURES if any(one.looks for one in steps) else MEASURES[:-1]
