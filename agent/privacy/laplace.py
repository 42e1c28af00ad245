"""Exact discrete Laplace noise: whole numbers with P(x) proportional to exp(-|x| / scale).

The scale is a fraction and all arithmetic is on integers, so no rounding of floats shapes the noise. The
method is that of Canonne, Kamath and Steinke (2020): a coin that falls with probability exp(-n/d) is made
of fair draws below a number, and the noise of such coins. Where draws come from is the caller's affair;
how long they take depends on what is drawn, so noise is drawn before the slot in which it is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fractions import Fraction

Below = Callable[[int], int]
"""Gives a whole number from 0 to its argument, less 1, each equally likely: ``secrets.randbelow``."""
_TAIL: Final = 0.05


def discrete_laplace(scale: Fraction, below: Below) -> int:
    """Draw one number; *scale* is positive."""
    top, bottom = scale.numerator, scale.denominator
    while True:
        # a geometric number with ratio exp(-1/top): its remainder by top, then how often top fits
        rest = below(top)
        if not _falls(rest, top, below):
            continue
        whole = 0
        while _falls(1, 1, below):
            whole += 1
        size = (rest + top * whole) // bottom
        if below(2):
            return size
        if size:  # a negative zero would count zero twice
            return -size


def probability(value: int, scale: Fraction) -> float:
    """Give the exact law that the draws follow."""
    ratio = math.exp(-1 / scale)
    return (1 - ratio) / (1 + ratio) * ratio ** abs(value)


def deviation(scale: Fraction) -> float:
    """Give the standard deviation."""
    ratio = math.exp(-1 / scale)
    return math.sqrt(2 * ratio) / (1 - ratio)


def reach(scale: Fraction) -> int:
    """Give the least number that 95 of 100 draws do not go beyond, on either side."""
    ratio = math.exp(-1 / scale)
    return max(0, math.ceil(math.log(_TAIL * (1 + ratio) / 2) / math.log(ratio) - 1))


def clamped_bias(scale: Fraction) -> float:
    """Give what an empty cell gains on average when negative figures are told as zero."""
    ratio = math.exp(-1 / scale)
    return ratio / (1 - ratio**2)


def _falls(numerator: int, denominator: int, below: Below) -> bool:
    """Toss a coin that falls with probability exp(-numerator/denominator); the fraction is from 0 to 1.

    The first k at which a draw of chance fraction/k fails is odd with exactly that probability.
    """
    k = 1
    while below(denominator * k) < numerator:
        k += 1
    return k % 2 == 1
