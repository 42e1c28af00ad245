"""What one point did within one window: the running sums from which its figures are made.

A value holds until the next sample, or for 2.5 times the expected time between samples, whichever is
first; a bad sample ends the hold. All stamps here are boot-time seconds. It knows no windows but its own
end, no UTC, and rounds nothing.
"""

from __future__ import annotations

from math import inf
from typing import Self

from agent.core.point import Point
from pipelines._lifetime import lifetime


class Cell:
    """One point within one window."""

    __slots__ = (
        "area",  # integral of the held value
        "doubt",  # why the figures are uncertain
        "end",  # when the window ends
        "gap",  # why the window is incomplete whatever its coverage
        "held",  # the value that holds now; None after a bad sample
        "high",
        "last",
        "limit",
        "low",
        "n",
        "nonzero",  # time during which the held value was not zero
        "observed",  # time during which any value held
        "opened",  # whether a sample of this window's own came, or its end
        "point",
        "shaky",  # why the held value is uncertain
        "since",  # up to when the course of time is summed up
        "sum",
        "trouble",  # the latest reason that a bad sample gave
        "until",  # when the held value stops to hold
    )

    counting = False

    def __init__(self, point: Point, begin: float, end: float) -> None:
        self.point = point
        self.limit = lifetime(point)
        self.since = self.until = begin
        self.end = end
        self.held: float | None = None
        self.n = 0
        self.area = self.observed = self.nonzero = self.sum = 0.0
        self.low, self.high = inf, -inf
        self.last: float | None = None
        self.opened = False
        self.doubt = self.gap = self.shaky = self.trouble = ""

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

    def amend(self, value: float) -> None:
        """Count a value that came out of order: it adds up, but the course of time stays as it was."""
        self.n += 1
        self.sum += value
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.last = value if self.last is None else self.last

    def finish(self) -> None:
        """Sum up to the window's end."""
        self._open(self.end)
        self._advance(self.end)

    def next(self, begin: float, end: float) -> Self:
        """Make the cell of a later window: what held goes on to hold."""
        cell = type(self)(self.point, begin, end)
        cell.since = max(self.since, begin)
        if self.held is None:
            cell.trouble = self.trouble
        elif self.until > begin:
            cell.held, cell.until, cell.shaky = self.held, self.until, self.shaky
        return cell

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

    def read_by(self, meter: str, *, new: bool) -> None:
        """Note which *meter* the readings to come are of; only to a counter that means something."""

    def delta(self) -> float | None:
        """Give the increase; only a counter has one."""
        return None

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
