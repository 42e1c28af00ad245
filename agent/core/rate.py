"""How often a recipient may be told something: so many times in each minute, hour, day or other stretch.

Stretches begin where the clock's do (UTC), so whoever has the messages can count them by the hour. What was
used up is not given back by a restart, or by a clock that is set back.
"""

from __future__ import annotations

import math
import re
from typing import Final

from msgspec import Struct

from agent.core.duration import UNITS, Duration

MOST: Final = 1_000_000
LONGEST: Final = 31 * 86400.0
_FORM: Final = re.compile(r"([1-9]\d{0,6})\s*/\s*(\d*)\s*([smhd])")
_EXPECTED: Final = 'expected a rate such as "12/h", "1/15m" or "100/d"'


class Rate(Struct, frozen=True):
    """At most ``count`` times in a stretch of ``period`` seconds."""

    count: int
    period: float

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read ``"12/h"`` or ``"1/15m"``; raise ValueError with what was expected."""
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise ValueError(_EXPECTED)
        made = cls(int(found[1]), float(found[2] or 1) * UNITS[found[3]])
        if made.count > MOST or not 0 < made.period <= LONGEST:
            raise ValueError(f"{_EXPECTED}: at most {MOST} times, in at most 31 days")
        return made

    def __str__(self) -> str:
        """Give the shortest text that reads back as the same rate."""
        period = str(Duration(self.period))
        return f"{self.count}/{period[1:] if self.period in UNITS.values() else period}"

    def holds(self, width: float) -> bool:
        """Say whether something that comes every *width* seconds stays within it."""
        return math.ceil(self.period / width) <= self.count

    def covers(self, other: Rate) -> bool:
        """Say whether what stays within *other* stays within this too."""
        if self.period % other.period == 0:
            stretches = self.period // other.period
        else:  # so many of the other's begin, end or lie in one of ours
            stretches = 1 if other.period % self.period == 0 else self.period // other.period + 2
        return stretches * other.count <= self.count


class Pace(Struct):
    """What has been used of a rate: in which stretch, how often, and what had to stay behind since when.

    ``begin`` and ``end`` are the UTC seconds of the first and last that stayed behind.
    """

    stretch: int = 0
    used: int = 0
    missed: int = 0
    begin: float = 0.0
    end: float = 0.0

    def admit(self, rate: Rate, utc: float) -> bool:
        """Use the rate once at *utc*; False, and noted, if it is used up."""
        stretch = math.floor(utc / rate.period)
        if stretch > self.stretch:
            self.used = 0
        if self._is_elsewhere(stretch):
            self.stretch = stretch
        if self.used >= rate.count:
            self.begin = self.begin if self.missed else utc
            self.missed, self.end = self.missed + 1, utc
            return False
        self.used += 1
        return True

    def is_over(self, rate: Rate, utc: float) -> bool:
        """Say whether something stayed behind in a stretch that has ended."""
        return self.missed > 0 and self._is_elsewhere(math.floor(utc / rate.period))

    def _is_elsewhere(self, stretch: int) -> bool:
        """Say whether the clock has left the stretch: a little back is in it, far back was far ahead."""
        return not self.stretch - 1 <= stretch <= self.stretch

    def settle(self) -> tuple[int, float, float]:
        """Give how many stayed behind, from when to when, once."""
        found = (self.missed, self.begin, self.end)
        self.missed, self.begin, self.end = 0, 0.0, 0.0
        return found
