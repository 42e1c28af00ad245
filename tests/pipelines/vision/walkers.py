"""People who walk through a picture, and what a detector would say of them: boxes that tremble, and gaps.

A made world: the truth is known, so counts can be held against it for any line, rate and amount of trouble.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from agent.core.scene import CLASSES, Class
from agent.core.scene import Line as Drawn
from pipelines.vision.arrays import Floats
from pipelines.vision.boxes import Found, overlap
from pipelines.vision.line import BAND, Line
from pipelines.vision.tracker import Tracker

ASPECT: Final = 4 / 3
_FINE: Final = 0.02  # seconds between the places of a path


class Walker(NamedTuple):
    """Somebody of a height who stands at x, y from ``begin`` on, a place each 20 ms."""

    begin: float
    tall: float
    spots: Floats


class World(NamedTuple):
    """How well the detector sees, and how regularly it is asked."""

    rate: float = 5.0
    tremble: float = 0.0  # of a box's edges, in its heights
    missed: float = 0.0  # share of boxes
    uneven: float = 0.0  # share of the step


def straight(
    begin: float, start: tuple[float, float], end: tuple[float, float], speed: float = 0.75
) -> Walker:
    """Let somebody walk from *start* to *end*, by *speed* of his own heights a second."""
    tall = 0.15
    way = np.array(end) - np.array(start)
    steps = max(2, int(np.hypot(*way) / (speed * tall) / _FINE))
    return Walker(begin, tall, np.array(start) + np.linspace(0, 1, steps)[:, None] * way)


def crowd(chance: np.random.Generator, many: int, seconds: float) -> list[Walker]:
    """Let people come from both sides, near and far; some turn round, some stand for a while."""
    return [_one(chance, chance.uniform(0, seconds)) for _ in range(many)]


def truth(walkers: Sequence[Walker], drawn: Drawn) -> tuple[int, int]:
    """Give how many crossed to the left and to the right: those who came clear of the line on both sides."""
    line = np.array([drawn.start, drawn.end]) * (ASPECT, 1.0)
    way = line[1] - line[0]
    left = right = 0
    for one in walkers:
        away = one.spots - line[0]
        side = (way[0] * away[:, 1] - way[1] * away[:, 0]) / np.hypot(*way)
        along = away @ way / (way @ way)
        clear = np.flatnonzero(np.abs(side) >= BAND * one.tall)
        for before, after in pairwise(clear):
            if side[before] * side[after] < 0 and 0 <= (along[before] + along[after]) / 2 <= 1:
                left, right = (left + 1, right) if side[after] < 0 else (left, right + 1)
    return left, right


def counted(
    walkers: Sequence[Walker], drawn: Sequence[Drawn], world: World, chance: np.random.Generator
) -> list[tuple[int, int]]:
    """Give what the tracker and each line make of them: how many crossed to the left and to the right."""
    tracker, lines = Tracker(), [Line(one, ASPECT) for one in drawn]
    counts = np.zeros((len(lines), 2), np.intp)
    before = 0.0
    for at, seen in pictures(walkers, world, chance):
        moved = tracker.update(seen, at - before)
        before = at
        for number, line in enumerate(lines):
            line.follow(moved)
            crossed = line.feed(tracker.boxes, tracker.found, tracker.sure)
            counts[number] += crossed.to_left.sum(), crossed.to_right.sum()
    return [(int(left), int(right)) for left, right in counts]


def pictures(
    walkers: Sequence[Walker], world: World, chance: np.random.Generator
) -> Iterator[tuple[float, Found]]:
    """Give what the detector says, at each of its moments."""
    at, end = 0.0, max(one.begin + len(one.spots) * _FINE for one in walkers)
    while at < end:
        yield at, _seen(walkers, at, world, chance)
        at += (1 + world.uneven * chance.uniform(-1, 1)) / world.rate


def found(*boxes: Sequence[float], score: float = 0.8, kind: Class = "person") -> Found:
    """Make what a detector would say of *boxes*."""
    rows = np.array(boxes, np.float64).reshape(-1, 4)
    return Found(rows, np.full(len(rows), score), np.full(len(rows), CLASSES.index(kind)))


def box_at(x: float, y: float, tall: float = 0.15) -> tuple[float, float, float, float]:
    """Give the box of somebody who stands at x, y."""
    return x - 0.2 * tall, y - tall, x + 0.2 * tall, y


def _one(chance: np.random.Generator, begin: float) -> Walker:
    tall, y = chance.uniform(0.07, 0.22), chance.uniform(0.3, 0.9)
    speed = max(0.3, chance.normal(0.75, 0.15)) * tall * _FINE
    steps = int((ASPECT + 0.1) / speed)
    x = np.full(steps, speed)
    if chance.random() < 0.2:  # stands for five seconds
        x = np.insert(x, chance.integers(steps // 4, steps), np.zeros(250))
    if chance.random() < 0.2:  # turns round
        x[chance.integers(steps // 4, steps) :] *= -1
    spots = np.column_stack([-0.05 + np.cumsum(x), np.full(len(x), y)])
    if chance.random() < 0.5:
        spots[:, 0] = ASPECT - spots[:, 0]
    return Walker(begin, tall, spots)


def _seen(walkers: Sequence[Walker], at: float, world: World, chance: np.random.Generator) -> Found:
    boxes = []
    for one in walkers:
        step = int((at - one.begin) / _FINE)
        if 0 <= step < len(one.spots) and chance.random() >= world.missed:
            x, y = one.spots[step]
            box = np.array(box_at(x, y, one.tall)) + chance.normal(0, world.tremble * one.tall, 4)
            if box[0] > -0.02 and box[2] < ASPECT + 0.02:
                boxes.append(box)
    rows = np.array(boxes).reshape(-1, 4)
    rows = rows[np.argsort(-rows[:, 3])]  # who stands nearer hides who is behind
    hidden = np.triu(overlap(rows, rows) > 0.5, 1).any(axis=0)
    rows = rows[~hidden]
    return Found(rows, np.clip(chance.normal(0.7, 0.1, len(rows)), 0.25, 0.95), np.zeros(len(rows), np.intp))
