"""Where windows begin and end: fixed lengths aligned in UTC, or days, weeks and months of the site.

Pure arithmetic on UTC seconds. It refuses lengths below a second and anything that is neither a duration
nor ``day``, ``week`` or ``month``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Protocol

from agent.core.duration import EXPECTED, Duration

CALENDAR: Final = ("day", "week", "month")
_SLACK: Final = 1e-6  # a boundary that went through boot time and back may miss itself by this much


class Span(Protocol):
    """A way to cut time into windows without gaps."""

    def around(self, utc: float) -> tuple[float, float]:
        """Give start and end, in UTC seconds, of the window that holds *utc*."""
        ...


class Fixed:
    """Windows of one length, counted from 1970 in UTC: a quarter of an hour begins at :00, :15, :30, :45."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def around(self, utc: float) -> tuple[float, float]:
        """Give start and end, in UTC seconds, of the window that holds *utc*."""
        start = (utc + _SLACK) // self._seconds * self._seconds
        return start, start + self._seconds


class Calendar:
    """Days, weeks (from Monday) or months, from midnight to midnight on the site's clocks."""

    def __init__(self, kind: str, zone: tzinfo) -> None:
        self._kind = kind
        self._zone = zone

    def around(self, utc: float) -> tuple[float, float]:
        """Give start and end, in UTC seconds, of the window that holds *utc*."""
        day = datetime.fromtimestamp(utc + _SLACK, UTC).astimezone(self._zone)
        first = day.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if self._kind == "week":
            first -= timedelta(days=first.weekday())
        elif self._kind == "month":
            first = first.replace(day=1)
        # plain date arithmetic: "tomorrow at midnight" is not "24 hours later" where clocks change
        match self._kind:
            case "day":
                last = first + timedelta(days=1)
            case "week":
                last = first + timedelta(days=7)
            case _:
                last = (first + timedelta(days=31)).replace(day=1)
        return first.timestamp(), last.timestamp()


def check_length(length: str) -> None:
    """Raise ValueError unless *length* can be the length of a window."""
    if length in CALENDAR:
        return
    try:
        seconds = Duration.parse(length)
    except ValueError:
        raise ValueError(f"{EXPECTED}, or one of {', '.join(CALENDAR)}") from None
    if seconds < 1:
        raise ValueError("a window lasts at least 1s")


def span(length: str, zone: tzinfo) -> Span:
    """Make the span called *length*, such as ``15m`` or ``month``; *zone* matters to the latter only."""
    check_length(length)
    return Calendar(length, zone) if length in CALENDAR else Fixed(float(Duration.parse(length)))
