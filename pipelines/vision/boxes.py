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
    more = np.reshape(grown, (-1, 1)) if np.ndim(grown) else grown
    shared: Floats | float = 1.0
    area: Floats | float = 1.0
    other_area: Floats | float = 1.0
    for low, high in ((0, 2), (1, 3)):  # along x, then along y
        size, other_size = (one[:, high] - one[:, low])[:, None], (other[:, high] - other[:, low])[None]
        begin = np.maximum(one[:, low, None] - more * size, other[None, :, low] - more * other_size)
        end = np.minimum(one[:, high, None] + more * size, other[None, :, high] + more * other_size)
        shared = shared * np.maximum(end - begin, 0.0)
        area, other_area = area * size, other_area * other_size
    union = (area + other_area) * (1 + 2 * more) ** 2 - shared
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
