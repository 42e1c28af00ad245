"""Durations as people write them (``"10s"``, ``"15m"``, ``"400d"``) and as code uses them: seconds.

It refuses bare numbers: a duration without a unit is how a technician sets 10 hours for 10 seconds.
"""

from __future__ import annotations

import math
import re
from typing import Final

UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_FORM: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
EXPECTED: Final = 'expected a duration such as "10s", "15m", "2h" or "400d"'


class Duration(float):
    """A stretch of time in seconds."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: object) -> Duration:
        """Read ``"10s"``; raise ValueError with what was expected."""
        found = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise ValueError(EXPECTED)
        seconds = cls(float(found[1]) * UNITS[found[2]])
        if seconds == math.inf:
            raise ValueError(EXPECTED)
        return seconds

    def __str__(self) -> str:
        """Give the shortest text that reads back as the same duration."""
        for unit in ("w", "d", "h", "m", "s"):
            if self >= UNITS[unit] and self % UNITS[unit] == 0 and (unit != "w" or self % UNITS["d"]):
                return f"{self / UNITS[unit]:.0f}{unit}"
        return f"{float(self):g}s" if self >= 1 or not self else f"{float(self) * 1000:g}ms"

    def __repr__(self) -> str:
        return f"Duration({float(self)!r})"
