"""What a counter did within one window: its increase, through rollovers, resets and other meters.

It trusts no single low reading, and says so when it had to guess.
"""

from __future__ import annotations

from math import inf
from typing import Final, Self

from agent.core.point import Kind, Point
from pipelines.windows.cell import Cell

NEW_METER: Final = "new_meter"
_CREEP: Final = 0.5  # a counter that falls by less than this share crept back; by more, it began again


def cell_of(point: Point, begin: float, end: float) -> Cell:
    """Make the cell of *point* for a window, in boot-time seconds."""
    return (Counter if point.kind is Kind.COUNTER else Cell)(point, begin, end)


class Counter(Cell):
    """One counter within one window."""

    __slots__ = (
        "base",  # reading before the window, or the first one ever
        "before",  # reading before a drop that the next reading may show to be a glitch
        "extra",  # what rollovers, resets and earlier meters add to ``reading - base``
        "first",  # whether ``base`` was read within this window
        "meter",  # which meter ``base`` and ``reading`` are of; empty: nobody said
        "parted",  # whether ``extra`` holds what another meter counted
        "read_at",
        "reading",  # the latest reading, taken at ``read_at``
        "stale",  # why the first increment of this window would cover more than the window
    )

    counting = True

    def __init__(self, point: Point, begin: float, end: float) -> None:
        super().__init__(point, begin, end)
        self.base: float | None = None
        self.reading: float | None = None
        self.before: float | None = None
        self.read_at = -inf
        self.extra = 0.0
        self.first = self.parted = False
        self.meter = self.stale = ""

    def take(self, value: float, at: float) -> None:
        """Count a value that is not older than the one before it."""
        self._count(value, at)  # first: it asks until when the value before holds
        Cell.take(self, value, at)

    def read_by(self, meter: str, *, new: bool) -> None:
        """Note which *meter* the readings to come are of; from another one on it counts anew."""
        known, self.meter = self.meter, meter
        if known == meter or not (known or new) or self.reading is None:
            return
        self.extra = self._counted()
        self.base = self.reading = self.before = None
        self.parted, self.stale, self.gap = True, "", NEW_METER

    def next(self, begin: float, end: float) -> Self:
        """Make the cell of a later window: it goes on to count."""
        cell = super().next(begin, end)
        cell.meter = self.meter
        if self.reading is None:
            cell.gap = NEW_METER if self.parted else ""
        else:
            cell.rest(self.reading, self.read_at, before=self.before)
            if self.read_at + self.limit < begin:
                cell.stale = self.trouble or "silent"
        return cell

    def rest(self, reading: float, at: float, *, before: float | None = None) -> None:
        """Start counting from a reading that was taken before this window."""
        self.base = self.reading = reading
        self.read_at = at
        self.before = before

    def absorb(self, earlier: Cell) -> None:
        """Add what an earlier cell of the same point saw: both turned out to lie in one window."""
        super().absorb(earlier)
        assert isinstance(earlier, Counter)
        self.inherit(earlier)

    def inherit(self, earlier: Counter) -> None:
        """Count from where *earlier* began to count, because its own delta will not be published."""
        if self.parted or earlier.base is None:
            self.extra += earlier._counted()
        else:
            self.base, self.first = earlier.base, earlier.first
            self.extra += earlier.extra
        self.meter = self.meter or earlier.meter
        self.parted = self.parted or earlier.parted

    def delta(self) -> float | None:
        """Give the increase; None if it cannot be known from what was read."""
        if not self.parted and (self.base is None or self.reading is None or (self.first and self.n < 2)):
            return None
        # decimal readings leave a tail such as 0.5999999999999996 when they are subtracted
        return round(self._counted(), 9)

    def _counted(self) -> float:
        if self.base is None or self.reading is None:
            return self.extra
        return self.reading - self.base + self.extra

    def _count(self, value: float, at: float) -> None:
        """Follow a counter through rollovers, resets and glitches; ``delta`` says what it counted."""
        reading, before = self.reading, self.before
        self.before = None
        if reading is None:
            self.base, self.first = value, True
        elif before is not None and value >= before and at <= self.until:
            # one low reading between two high ones, as many meters give while they start: no reset
            self.extra -= before
        elif value < reading:
            self._drop(reading, value)
        if self.stale:
            self.doubt, self.stale = self.stale, ""
        self.reading, self.read_at = value, at

    def _drop(self, reading: float, value: float) -> None:
        rollover = self.point.rollover
        if rollover and value >= 0 and value - reading + rollover < rollover * _CREEP:
            self.extra += rollover
        elif 0 <= value < reading * _CREEP:
            self.extra += reading
            self.before = reading
            self.doubt = "reset"
        else:
            self.doubt = "backwards"
