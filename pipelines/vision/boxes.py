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


def overlap(one: Floats, other: Floats, grown: Floats | float = 0.0) -> Floats:
    """Give the shared part of each box of *one* with each of *other*, from 0 to 1.

    Both boxes of a pair grow first, on each side, by a share of their own size: by *grown*, which may differ
    from row to row of *one*.
    """
    more = np.reshape(grown, (-1, 1, 1)) if np.ndim(grown) else grown
    size, other_size = (one[:, 2:] - one[:, :2])[:, None], (other[:, 2:] - other[:, :2])[None]
    low = np.maximum(one[:, None, :2] - more * size, other[None, :, :2] - more * other_size)
    high = np.minimum(one[:, None, 2:] + more * size, other[None, :, 2:] + more * other_size)
    shared = np.prod(np.maximum(high - low, 0.0), axis=2)
    scale = 1 + 2 * more
    union = np.prod(size * scale, axis=2) + np.prod(other_size * scale, axis=2) - shared
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
