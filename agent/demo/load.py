"""The electricity that the demo's library uses: a known function of time, so that figures can be judged.

Power swings smoothly around its mean; energy is its exact integral. ``UTC seconds`` in, kW and kWh out.
"""

from __future__ import annotations

from math import cos, pi, sin
from typing import Final

_MEAN: Final = 240.0
_WAVES: Final = ((40.0, 90.0), (8.0, 21.0))  # kW, seconds of a period
STEEPEST: Final = sum(2 * pi * swing / period for swing, period in _WAVES)
"""How fast power changes at most, in kW a second."""
_READING: Final = 48_000.0  # what the counter stood at when it was last "installed", in kWh
_STEP: Final = 0.01  # the meter's display, and so its registers, count in hundredths


def power(utc: float) -> float:
    """Give the power in kW at *utc*."""
    return _MEAN + sum(swing * sin(2 * pi * utc / period) for swing, period in _WAVES)


def mean_power(begin: float, end: float) -> float:
    """Give the true mean power in kW between two moments."""
    return (_work(end) - _work(begin)) / (end - begin)


def energy(utc: float, since: float) -> float:
    """Give the counter in kWh at *utc*, as displayed by a meter that was switched on at *since*."""
    grown = (_work(utc) - _work(since)) / 3600
    return int((_READING + grown) / _STEP) * _STEP


def _work(utc: float) -> float:
    """Integrate power up to *utc*, in kW seconds; only differences mean anything."""
    return _MEAN * utc - sum(
        swing * period / (2 * pi) * cos(2 * pi * utc / period) for swing, period in _WAVES
    )
