"""What privacy modes leave of the counts of a street, on streets that are made up but busy like real ones.

Passages come at random, with a morning, a noon and an evening peak and a quiet night. The modes are the very
functions that the gate applies. A street is made from a seed, so the same seed gives the same table.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC
from fractions import Fraction
from statistics import median
from typing import Final

from msgspec import Struct

from agent.core.product import Privacy
from agent.core.record import Aggregate
from agent.privacy.hold import hold, period_of
from agent.privacy.laplace import discrete_laplace
from agent.privacy.suppress import suppress

QUARTER: Final = 900.0
QUARTERS: Final = 96
_PEAKS: Final = ((8.25, 1.4, 1.0), (12.5, 1.5, 0.5), (17.25, 1.9, 1.0))  # hour, width in hours, weight
_NIGHT: Final = 0.05
_DAY: Final = slice(7, 21)
_CHUNK: Final = 30.0  # exp(-30) is far from the smallest float


class Kept(Struct, frozen=True):
    """What is left: the share of passages that a published figure covers, and the usual width in minutes."""

    share: float
    minutes: float


def quarters(rate: float, days: int, rng: random.Random) -> list[int]:
    """Count the passages of each quarter of an hour, *rate* an hour on average."""
    shape = [
        _NIGHT + sum(weight * math.exp(-(((n / 4 - at) / wide) ** 2)) for at, wide, weight in _PEAKS)
        for n in range(QUARTERS)
    ]
    mean = sum(shape) / QUARTERS
    return [_poisson(rate / 4 * one / mean, rng) for _ in range(days) for one in shape]


def merged(counts: Sequence[int], by: int) -> list[int]:
    """Add up *by* windows at a time."""
    return [sum(counts[n : n + by]) for n in range(0, len(counts), by)]


def after_suppression(counts: Sequence[int], k: int, width: float) -> Kept:
    """Give what ``suppress`` lets through."""
    told = [suppress(one, k) for one in _figures(counts, width)]
    return _kept(told, counts)


def after_holding(counts: Sequence[int], k: int, width: float) -> Kept:
    """Give what ``hold`` lets through within days."""
    privacy, period = Privacy(mode="hold", k=k), period_of("day", UTC)
    told: list[Aggregate] = []
    waiting: Aggregate | None = None
    for figure in _figures(counts, width):
        ready, waiting = hold(waiting, figure, privacy, period)
        told += ready
    return _kept(told, counts)


def error_of_noise(hours: Sequence[int], scale: Fraction, rng: random.Random) -> float:
    """Give the median error of hourly counts between 7 and 21 o'clock, as a share of the count."""
    errors = [
        abs(discrete_laplace(scale, rng.randrange)) / max(1, count)
        for day in range(0, len(hours), 24)
        for count in hours[day:][_DAY]
    ]
    return median(errors)


def _figures(counts: Sequence[int], width: float) -> Iterator[Aggregate]:
    for n, count in enumerate(counts):
        yield Aggregate("street.all", n * width, width, 1, (float(count),))


def _kept(told: Sequence[Aggregate], counts: Sequence[int]) -> Kept:
    published = [one for one in told if one.values[0] is not None]
    covered = sum(one.values[0] or 0.0 for one in published)
    return Kept(covered / max(1, sum(counts)), median([one.width for one in published] or [0.0]) / 60)


def _poisson(mean: float, rng: random.Random) -> int:
    """Draw a number of independent arrivals."""
    found = 0
    while mean > _CHUNK:
        found, mean = found + _arrivals(_CHUNK, rng), mean - _CHUNK
    return found + _arrivals(mean, rng)


def _arrivals(mean: float, rng: random.Random) -> int:
    limit, product, found = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        found += 1
    return found
