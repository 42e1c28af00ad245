"""Bookkeeping of what a recipient will never get: losses are joined, never dropped.

Where there are too many stretches for one message, neighbours are joined over what lies between them: a
loss may be declared too wide, never too narrow. ``count`` stays exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import nsmallest
from itertools import pairwise
from typing import Final

from msgspec.structs import replace

from agent.core.message import Loss
from agent.core.record import Aggregate, Record

MOST: Final = 64


def merge(losses: Iterable[Loss], most: int = MOST) -> list[Loss]:
    """Join neighbouring losses of one epoch and reason; give at most about *most* of them."""
    ordered = sorted(losses, key=lambda one: (one.epoch, one.why, one.first))
    joined: list[Loss] = []
    for loss in ordered:
        if joined and _touch(joined[-1], loss):
            joined[-1] = _join(joined[-1], loss)
        else:
            joined.append(loss)
    closed = _narrowest(joined, len(joined) - most)
    told: list[Loss] = []
    for at, loss in enumerate(joined):
        if at in closed:
            told[-1] = _join(told[-1], loss)
        else:
            told.append(loss)
    return sorted(told, key=lambda one: (one.epoch, one.first))


def span(records: Sequence[Record]) -> tuple[float, float]:
    """Give the UTC seconds from which and up to which *records* tell; there is at least one."""
    begins = [one.start if isinstance(one, Aggregate) else one.at for one in records]
    ends = [one.start + one.width if isinstance(one, Aggregate) else one.at for one in records]
    return min(begins), max(ends)


def numberless(first: int, last: int) -> list[Loss]:
    """Own up to whole epochs of which nothing is known any more; of very many only the latest."""
    return [
        Loss(why="crash", epoch=epoch, first=1, last=None, count=None)
        for epoch in range(max(1, first, last - MOST), last + 1)
    ]


def _alike(a: Loss, b: Loss) -> bool:
    return a.why == b.why and a.epoch == b.epoch and (a.last is None) == (b.last is None)


def _touch(a: Loss, b: Loss) -> bool:
    if not _alike(a, b):
        return False
    # without numbers (a crash) only the same point of the same epoch is the same loss
    return a.first == b.first if a.last is None else b.first <= a.last + 1


def _narrowest(losses: list[Loss], many: int) -> frozenset[int]:
    """Find up to *many* losses before which the least lies; joining one pair widens no other's distance."""
    distances = (
        (b.first - (a.last or a.first), at) for at, (a, b) in enumerate(pairwise(losses), 1) if _alike(a, b)
    )
    return frozenset(at for _, at in nsmallest(max(0, many), distances))


def _join(a: Loss, b: Loss) -> Loss:
    lasts = [one.last for one in (a, b) if one.last is not None]
    counts = [one.count for one in (a, b) if one.count is not None]
    begins = [one.begin for one in (a, b) if one.begin is not None]
    ends = [one.end for one in (a, b) if one.end is not None]
    return replace(
        a,
        first=min(a.first, b.first),
        last=max(lasts) if lasts else None,
        count=sum(counts) if counts else None,
        begin=min(begins, default=None),
        end=max(ends, default=None),
    )
