"""How numbers, times and words are written, by every encoding."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Final

_DAY: Final = 86400.0
_EXACT: Final = 2.0**53
_FIRST: Final = -62135596800.0  # year 1, and below the year 9999: what four digits can hold
_LAST: Final = 253402300799.0
_NO_WORD: Final = re.compile(r"[^a-z0-9_]+")


def rounded(value: float | None, step: float) -> int | float | None:
    """Round to a multiple of *step* (0: not at all); whole numbers lose their fraction, NaN is None."""
    if value is None or not math.isfinite(value := float(value)):
        return None
    if step > 0:
        places, ten = _places(step)
        if ten:
            value = round(value, places)
        elif math.isfinite(scaled := value / step):
            value = round(round(scaled) * step, places)
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


@lru_cache(maxsize=64)
def utc_text(seconds: float) -> str:
    """Write UTC seconds as ``2026-11-21T20:00:00Z``, with milliseconds only where there are some."""
    whole, rest = divmod(round(min(max(seconds, _FIRST), _LAST) * 1000), 1000)
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text:0>19}.{rest:03d}Z" if rest else f"{text:0>19}Z"


def day_floor(seconds: float) -> float:
    """Give the start of the UTC day."""
    return seconds // _DAY * _DAY


@lru_cache(maxsize=256)
def word(text: str) -> str:
    """Write *text* as one word of the format: small letters, digits and underscores, at most 32."""
    return _NO_WORD.sub("_", text.lower())[:32] or "unknown"


@cache
def _places(step: float) -> tuple[int, bool]:
    """Give the digits after the point that multiples of *step* have, and whether it is a power of ten."""
    number = Decimal(repr(step)).normalize()
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # a step is finite
    ten = number == Decimal(1).scaleb(exponent)
    return (-exponent if ten else max(0, -exponent)), ten
