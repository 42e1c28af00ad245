"""Reads epsilon exactly as it is written: ``0.1`` is one tenth, not the nearest binary number.

It refuses what is no protection (above 10) or drowns every figure (below 1/100).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

LEAST: Final = Fraction(1, 100)
MOST: Final = Fraction(10)
_FINEST: Final = 1000  # at most so many digits that a number in a file reads back as it was written
_EXPECTED: Final = 'expected a number such as 0.5, or a fraction as text such as "1/3"'


def exact_epsilon(written: str | float) -> Fraction:
    """Give epsilon as a fraction; raise ValueError with what was expected."""
    try:
        found = Fraction(written.replace(" ", "") if isinstance(written, str) else repr(written))
    except (ValueError, ZeroDivisionError):
        raise ValueError(_EXPECTED) from None
    if not LEAST <= found <= MOST:
        raise ValueError(f"must be between {float(LEAST):g} and {MOST}")
    if found.denominator > _FINEST:
        raise ValueError(f"at most three decimals, or a fraction down to 1/{_FINEST}")
    return found
