"""Reads the width of a product's windows: ``15m``, ``1h``, or the site's ``day``, ``week`` and ``month``.

It refuses widths that do not divide an hour or a day, because their windows would not begin where people
expect it.
"""

from __future__ import annotations

from typing import Final

from agent.core.duration import Duration

CALENDAR: Final = {"day": 86400.0, "week": 7 * 86400.0, "month": 31 * 86400.0}
USUAL: Final = (
    "1s", "2s", "5s", "10s", "15s", "20s", "30s",
    "1m", "2m", "5m", "10m", "15m", "20m", "30m",
    "1h", "2h", "3h", "4h", "6h", "8h", "12h",
)  # fmt: skip
_HOUR: Final = 3600
_HALF_DAY: Final = 12 * _HOUR


def width(text: str) -> float:
    """Give the width in seconds (months: their longest); raise ValueError with the nearest right ones."""
    if text in CALENDAR:
        return CALENDAR[text]
    try:
        seconds = float(Duration.parse(text))
    except ValueError:
        raise ValueError('expected a width such as "15m" or "1h", or day, week or month') from None
    if seconds > _HALF_DAY:
        raise ValueError(f'"{text}" is too long: at most "12h", or one of day, week and month')
    if seconds < 1 or not seconds.is_integer():
        raise ValueError('at least "1s", in whole seconds')
    whole = _HOUR if seconds <= _HOUR else 2 * _HALF_DAY
    if whole % seconds:
        name = "an hour" if whole == _HOUR else "a day"
        near = [one for one in USUAL if Duration.parse(one) < seconds][-1:]
        near += [one for one in USUAL if Duration.parse(one) > seconds][:1]
        raise ValueError(f'"{text}" does not divide {name}; near it: {" and ".join(near)}')
    return seconds
