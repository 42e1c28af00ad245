"""How long a value counts as the present one."""

from __future__ import annotations

from functools import cache
from math import inf
from typing import Final

from agent.core.point import Point

_TIMES: Final = 2.5  # one sample may be lost, a second one may not


def lifetime(point: Point) -> float:
    """Give the seconds for which a value of *point* holds; for ever if it is sent on change only."""
    return _held(point.every)


@cache
def _held(every: float) -> float:
    """Keep one number for all points that have it."""
    return _TIMES * every if every > 0 else inf
