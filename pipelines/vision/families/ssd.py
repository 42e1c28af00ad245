"""SSD with 1917 anchors, as MediaPipe ships it, trained on Open Images: boxes as offsets from anchors.

Input: red, green, blue between -1 and 1, the picture stretched. Outputs: encodings [1, 1917, 4] and logits
[1, 1917, classes] whose first class is the background.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from agent.core.scene import CLASSES
from pipelines.vision.arrays import Floats, Pixels, Tensor
from pipelines.vision.boxes import Found
from pipelines.vision.families.family import Rows, Shape, corners, expect

STRIDES: Final = (16, 32, 64, 128, 256, 512)
# Open Images tells "vehicle" from "car" but no bus from a lorry; 14 is a tricycle
_OPEN_IMAGES: Final = {4: "person", 1: "bicycle", 14: "bicycle", 18: "car", 23: "car"}
_LOW, _HIGH = 0.2, 0.95  # scales of the first and the last grid
_PLACE, _SIZE = 10.0, 5.0  # what encodings are multiplied by


class Ssd:
    """A model whose input is [1, height, width, 3]."""

    stretched = True

    def __init__(self, shape: Shape) -> None:
        self.height, self.width = (int(one or 0) for one in shape[1:3])
        self._anchors = anchors(self.height)
        self._size = np.array([self.width, self.height], np.float64)

    def prepare(self, canvas: Pixels) -> Tensor:
        """Put red first and scale."""
        made = canvas[None, ..., ::-1].astype(np.float32)
        made -= np.float32(127.5)
        made /= np.float32(127.5)
        return made

    def sift(self, outputs: Sequence[Tensor], least: float) -> Rows:
        """Keep the anchors that see something of ours."""
        places = next(one[0] for one in outputs if one.shape[-1] == 4).astype(np.float64)
        logits = next(one[0] for one in outputs if one.shape[-1] != 4)[:, 1:]  # without the background
        expect(places.shape, self._anchors.shape)
        best = logits.argmax(axis=1) + 1
        scores = 1 / (1 + np.exp(-logits.max(axis=1).astype(np.float64)))
        ours = np.full(logits.shape[1] + 1, -1)
        for number, name in _OPEN_IMAGES.items():
            if number < len(ours):
                ours[number] = CLASSES.index(name)
        rows = np.flatnonzero((scores > least) & (ours[best] >= 0))
        return [(places[rows], self._anchors[rows], scores[rows], ours[best[rows]])]

    def decode(self, rows: Rows, least: float) -> Found:
        """Read the anchors that were kept."""
        [(places, kept, scores, kinds)] = rows
        y, x, high, wide = kept.T
        move_y, move_x, grow_y, grow_x = places.T
        middles = np.column_stack([move_x / _PLACE * wide + x, move_y / _PLACE * high + y])
        sizes = np.column_stack([np.exp(grow_x / _SIZE) * wide, np.exp(grow_y / _SIZE) * high])
        return Found(corners(middles * self._size, sizes * self._size), scores, kinds)


def anchors(size: int) -> Floats:
    """Give y, x, height and width of each anchor, as shares of the picture."""
    return np.array([one for grid in range(len(STRIDES)) for one in _grid(size, grid)])


def _grid(size: int, grid: int) -> Iterator[tuple[float, float, float, float]]:
    steps = len(STRIDES) - 1
    scales = [_LOW + (_HIGH - _LOW) * one / steps for one in range(len(STRIDES))] + [1.0]
    scale = scales[grid]
    between = (scale * scales[grid + 1]) ** 0.5
    forms = (
        [(1.0, 0.1), (2.0, scale), (0.5, scale)]  # the first grid has three anchors a cell, the others six
        if grid == 0
        else [(1.0, scale), (2.0, scale), (0.5, scale), (3.0, scale), (1 / 3, scale), (1.0, between)]
    )
    many = -(-size // STRIDES[grid])
    for row in range(many):
        for column in range(many):
            for aspect, tall in forms:
                root = aspect**0.5
                yield (row + 0.5) / many, (column + 0.5) / many, tall / root, tall * root
