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


def overlap(one: Floats, other: Floats, grown: float = 0.0) -> Floats:
    """Give the shared part of each box of *one* with each of *other*, from 0 to 1.

    Boxes are *grown* on each side by that share of their own size first.
    """
    one, other = _grown(one, grown), _grown(other, grown)
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0.0, None), axis=2)
    union = _area(one)[:, None] + _area(other)[None] - shared
    return np.asarray(shared / np.maximum(union, 1e-12))


def strongest(found: Found, most: float = 0.5) -> Found:
    """Keep the strongest of boxes that overlap by more than *most*, best first: a thing has one box.

    Kinds of one group count as the same thing: a van that is seen as a car and as a truck is one.
    """
    order = np.argsort(-found.scores, kind="stable")
    boxes, groups = found.boxes[order], GROUP[found.kinds[order]]
    rivals = (overlap(boxes, boxes) > most) & (groups[:, None] == groups[None])
    left = np.ones(len(order), np.bool_)
    for row in range(len(order)):
        if left[row]:
            left[row + 1 :] &= ~rivals[row, row + 1 :]
    kept = order[left]
    return Found(found.boxes[kept], found.scores[kept], found.kinds[kept])


def _grown(boxes: Floats, share: float) -> Floats:
    if not share:
        return boxes
    more = (boxes[:, 2:] - boxes[:, :2]) * share
    return np.hstack([boxes[:, :2] - more, boxes[:, 2:] + more])


def _area(boxes: Floats) -> Floats:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
