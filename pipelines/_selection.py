"""Which points a step is for: those whose name fits a pattern."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from agent.core.point import Point


def select(points: Iterable[Point], pattern: str) -> tuple[Point, ...]:
    """Give the points called *pattern*, by full name or by its last part; raise ValueError if none is.

    A ``*`` in *pattern* stands for anything.
    """
    known = tuple(points)
    found = tuple(point for point in known if fits(point.name, pattern))
    if not found:
        from difflib import get_close_matches  # only somebody who made a mistake waits for it

        near = get_close_matches(pattern, [point.name for point in known], n=1, cutoff=0.4)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise ValueError(f'no point here is called "{pattern}"{hint}')
    return found


def fits(name: str, pattern: str) -> bool:
    """Say whether the point *name* is meant by *pattern*."""
    return fnmatchcase(name, pattern) or fnmatchcase(short(name), pattern)


def short(name: str) -> str:
    """Give the last part of a point's name: ``active_power`` of ``main-meter.active_power``."""
    return name.rpartition(".")[2]
