"""The air that the demo's air handler moves: known functions of time, so that figures can be judged.

UTC seconds in; degrees Celsius, pascals, and whether the fan runs out.
"""

from __future__ import annotations

from math import cos, pi, sin
from typing import Final

_SUPPLY: Final = 18.5
_SWING, _PERIOD = 1.2, 47.0  # kelvin, seconds
_CYCLE, _RUNS = 60.0, 48.0  # of so many seconds, the fan runs so many
STEEPEST: Final = 2 * pi * _SWING / _PERIOD
"""How fast the supply air changes at most, in kelvin a second."""


def supply_temperature(utc: float) -> float:
    """Give the temperature of the supply air."""
    return _SUPPLY + _SWING * sin(2 * pi * utc / _PERIOD)


def mean_supply_temperature(begin: float, end: float) -> float:
    """Give its true mean between two moments."""
    turn = 2 * pi / _PERIOD
    return _SUPPLY + _SWING * (cos(turn * begin) - cos(turn * end)) / (turn * (end - begin))


def extract_temperature(utc: float) -> float:
    """Give the temperature of the air that leaves the rooms."""
    return 22.0 + 0.3 * sin(2 * pi * utc / 180)


def filter_pressure(utc: float) -> float:
    """Give what the filter takes from the fan."""
    return 86.0 + 4 * sin(2 * pi * utc / 31) if fan_runs(utc) else 0.0


def fan_runs(utc: float) -> bool:
    """Say whether the supply fan runs."""
    return utc % _CYCLE < _RUNS


def share_of_running(begin: float, end: float) -> float:
    """Give the true share of the time between two moments in which the fan ran."""
    return (_ran(end) - _ran(begin)) / (end - begin)


def _ran(utc: float) -> float:
    """Give the seconds that the fan ran up to *utc*; only differences mean anything."""
    cycles, rest = divmod(utc, _CYCLE)
    return cycles * _RUNS + min(rest, _RUNS)
