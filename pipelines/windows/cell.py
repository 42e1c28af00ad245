"""What one point did within one window: the running sums from which its figures are made.

A value holds until the next sample, or for 2.5 times the expected time between samples, whichever is
first; a bad sample ends the hold. All stamps here are boot-time seconds. It knows no windows but its own
end, no UTC, and rounds nothing.
"""

from __future__ import annotations

from math import inf
from typing import Final

from agent.core.point import Kind, Point
from pipelines._lifetime import lifetime

NEW_METER: Final = "new_meter"
_CREEP: Final = 0.5  # a counter that falls by less than this share crept back; by more, it began again


class Cell:
    """One point within one window."""

    __slots__ = (
        "area",  # integral of the held value
        "base",  # counter reading before the window, or the first one ever
        "before",  # counter reading before a drop that the next reading may show to be a glitch
        "counting",
        "doubt",  # why the figures are uncertain
        "end",  # when the window ends
        "extra",  # what rollovers, resets and earlier meters add to ``reading - base``
        "first",  # whether ``base`` was read within this window
        "gap",  # why the window is incomplete whatever its coverage
        "held",  # the value that holds now; None after a bad sample
        "high",
        "last",
        "limit",
        "low",
        "meter",  # which meter ``base`` and ``reading`` are of; empty: nobody said
        "n",
        "nonzero",  # time during which the held value was not zero
        "observed",  # time during which any value held
        "opened",  # whether a sample of this window's own came, or its end
        "parted",  # whether ``extra`` holds what another meter counted
        "point",
        "read_at",
        "reading",  # the counter's latest reading, taken at ``read_at``
        "shaky",  # why the held value is uncertain
        "since",  # up to when the course of time is summed up
        "stale",  # why the first increment of this window would cover more than the window
        "sum",
        "trouble",  # the latest reason that a bad sample gave
        "until",  # when the held value stops to hold
    )

    def __init__(self, point: Point, begin: float, end: float) -> None:
        self.point = point
        self.counting = point.kind is Kind.COUNTER
        self.limit = lifetime(point)
        self.since = self.until = begin
        self.end = end
        self.held: float | None = None
        self.n = 0
        self.area = self.observed = self.nonzero = self.sum = self.extra = 0.0
        self.low, self.high = inf, -inf
        self.last: float | None = None
        self.base: float | None = None
        self.reading: float | None = None
        self.before: float | None = None
        self.read_at = -inf
        self.first = self.opened = self.parted = False
        self.meter = ""
        self.doubt = self.gap = self.shaky = self.stale = self.trouble = ""

    def take(self, value: float, at: float) -> None:
        """Count a value that is not older than the one before it; the caller knows that it is finite."""
        if not self.opened:
            self._open(at)
        held = self.held
        if held is not None:
            elapsed = (at if at < self.until else self.until) - self.since
            if elapsed > 0.0:
                self.observed += elapsed
                if held:
                    self.area += held * elapsed
                    self.nonzero += elapsed
        if self.counting:
            self._count(value, at)
        self.held = self.last = value
        self.shaky = ""
        self.since = at
        self.until = at + self.limit
        self.n += 1
        self.sum += value
        # min() and max() would be a third of this function's time
        if value < self.low:  # noqa: PLR1730
            self.low = value
        if value > self.high:  # noqa: PLR1730
            self.high = value

    def doubtful(self, why: str) -> None:
        """Note that the value taken last is uncertain."""
        self.doubt = self.shaky = why

    def miss(self, why: str, at: float) -> None:
        """Note a bad sample: nothing holds any more."""
        self._open(at)
        self._advance(at)
        self.held = None
        self.trouble = why

    def read_by(self, meter: str, *, new: bool) -> None:
        """Note which *meter* the readings to come are of; from another one on it counts anew."""
        known, self.meter = self.meter, meter
        if known == meter or not (known or new) or self.reading is None:
            return
        self.extra = self._counted()
        self.base = self.reading = self.before = None
        self.parted, self.stale, self.gap = True, "", NEW_METER

    def amend(self, value: float) -> None:
        """Count a value that came out of order: it adds up, but the course of time stays as it was."""
        self.n += 1
        self.sum += value
        self.low, self.high = min(self.low, value), max(self.high, value)

    def finish(self) -> None:
        """Sum up to the window's end."""
        self._open(self.end)
        self._advance(self.end)

    def next(self, begin: float, end: float) -> Cell:
        """Make the cell of a later window: what held goes on to hold, a counter goes on to count."""
        cell = Cell(self.point, begin, end)
        cell.since = max(self.since, begin)
        if self.held is None:
            cell.trouble = self.trouble
        elif self.until > begin:
            cell.held, cell.until, cell.shaky = self.held, self.until, self.shaky
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
        self.n += earlier.n
        self.sum += earlier.sum
        self.area += earlier.area
        self.observed += earlier.observed
        self.nonzero += earlier.nonzero
        self.low, self.high = min(self.low, earlier.low), max(self.high, earlier.high)
        self.last = earlier.last if self.last is None else self.last
        self.doubt = self.doubt or earlier.doubt
        self.gap = earlier.gap or self.gap
        self.trouble = self.trouble or earlier.trouble
        self.inherit(earlier)

    def inherit(self, earlier: Cell) -> None:
        """Count from where *earlier* began to count, because its own delta will not be published."""
        if self.parted or earlier.base is None:
            self.extra += earlier._counted()
        else:
            self.base, self.first = earlier.base, earlier.first and earlier.n < 2
            self.extra += earlier.extra
            if self.reading is None:
                self.reading, self.read_at = earlier.reading, earlier.read_at
        self.meter = self.meter or earlier.meter
        self.parted = self.parted or earlier.parted

    def delta(self) -> float | None:
        """Give the counter's increase; None if it cannot be known from what was read."""
        if not self.parted and (self.base is None or self.reading is None or (self.first and self.n < 2)):
            return None
        # decimal readings leave a tail such as 0.5999999999999996 when they are subtracted
        return round(self._counted(), 9)

    def _counted(self) -> float:
        if self.base is None or self.reading is None:
            return self.extra
        return self.reading - self.base + self.extra

    def _open(self, at: float) -> None:
        """Count the value that held on from the window before, if it held for any time."""
        if not self.opened:
            self.opened = True
            if self.held is not None and min(at, self.until) > self.since:
                self.low = self.high = self.last = self.held
                self.doubt = self.doubt or self.shaky

    def _advance(self, to: float) -> None:
        """Let the held value hold until *to* at most."""
        if self.held is not None:
            elapsed = min(to, self.until) - self.since
            if elapsed > 0:
                self.observed += elapsed
                self.area += self.held * elapsed
                self.nonzero += elapsed if self.held else 0.0
        self.since = max(self.since, to)

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
