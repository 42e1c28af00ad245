"""Boxes around what was found, and how far they overlap.

Coordinates are shares of the picture's height, x from the left and y from the top: a change of the camera's
resolution changes nothing. A row is x1, y1, x2, y2.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from agent.core.scene import CLASSES
from pipelines.vision.arrays import Floats, Ints

# what one and the same thing may be taken for from one picture to the next
_GROUPS: Final = {"person": 0, "bicycle": 1, "motorcycle": 1, "car": 2, "bus": 2, "truck": 2}
GROUP: Final = np.array([_GROUPS[one] for one in CLASSES], np.intp)


class Found(NamedTuple):
    """What a detector saw in one picture; ``kinds`` are places in ``CLASSES``."""

    boxes: Floats
    scores: Floats
    kinds: Ints


def overlap(one: Floats, other: Floats, grown: Floats | None = None) -> Floats:
    """Give the shared part of each box of *one* with each of *other*, from 0 to 1.

    If *grown* is given both boxes of a pair grow first, on each side, by a share of their own size: by that
    which the row of *one* has.
    """
    # along x and along y at once; the last axis is a long one, which is what costs little
    low, high = np.ascontiguousarray(one.T).reshape(2, 2, -1, 1)
    other_low, other_high = np.ascontiguousarray(other.T).reshape(2, 2, 1, -1)
    size, other_size = high - low, other_high - other_low
    area = size[0] * size[1] + other_size[0] * other_size[1]
    if grown is not None:
        more = grown[:, None]
        low, high = low - more * size, high + more * size
        swell = more * other_size
        other_low, other_high = other_low - swell, other_high + swell
        area *= (1 + 2 * more) ** 2
    sides = np.minimum(high, other_high)
    sides -= np.maximum(low, other_low)
    np.maximum(sides, 0.0, out=sides)
    shared: Floats = sides[0] * sides[1]
    area -= shared
    shared /= np.maximum(area, 1e-12, out=area)
    return shared


def strongest(found: Found, most: float = 0.5) -> Found:
    """Keep the strongest of boxes that overlap by more than *most*, best first: a thing has one box.

    Kinds of one group count as the same thing: a van that is seen as a car and as a truck is one.
    """
    order = np.argsort(-found.scores, kind="stable")
    boxes, groups = found.boxes[order], GROUP[found.kinds[order]]
    rivals = (overlap(boxes, boxes) > most) & (groups[:, None] == groups)
    weaker = np.triu(rivals, 1)  # the column is the weaker one of the two
    left = ~weaker.any(axis=0)
    while True:  # who has lost to one that has lost itself is back; each round settles one more at least
        again = ~weaker[left].any(axis=0)
        if (again == left).all():
            break
        left = again
    kept = order[left]
    return Found(found.boxes[kept], found.scores[kept], found.kinds[kept])
