"""YOLOX: three grids in one output, centre offsets and logarithms of sizes, objectness times class.

Input: pixels as they are, 0 to 255. Objectness and classes are already between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from pipelines.vision.arrays import Pixels, Tensor
from pipelines.vision.boxes import Found
from pipelines.vision.families.family import CLASS_COUNT, Rows, Shape, best_kinds, cells, corners, expect

STRIDES: Final = (8, 16, 32)


class Yolox:
    """A model whose input is [1, 3, height, width] and whose output [1, cells, 85]."""

    stretched = False

    def __init__(self, shape: Shape) -> None:
        self.height, self.width = (int(one or 0) for one in shape[2:])
        grids = [cells(self.height, self.width, one) for one in STRIDES]
        self._cells = np.concatenate(grids)
        self._made = np.empty((1, 3, self.height, self.width), np.float32)
        self._strides = np.concatenate(
            [np.full((len(grid), 1), one) for grid, one in zip(grids, STRIDES, strict=True)]
        )

    def prepare(self, canvas: Pixels) -> Tensor:
        """Put the colours one after the other."""
        np.copyto(self._made[0, :, : canvas.shape[0], : canvas.shape[1]], canvas.transpose(2, 0, 1))
        return self._made

    def sift(self, outputs: Sequence[Tensor], least: float) -> Rows:
        """Keep the cells that see something."""
        told = outputs[0][0]
        expect(told.shape, (len(self._cells), 5 + CLASS_COUNT))
        alive = np.flatnonzero(told[:, 4] > least)  # no class outdoes its objectness
        return [(told[alive], self._cells[alive], self._strides[alive])]

    def decode(self, rows: Rows, least: float) -> Found:
        """Read the cells that were kept."""
        [(told, grid, strides)] = rows
        ours, scores, kinds = best_kinds(told[:, 4:5] * told[:, 5:], least)
        middles = (told[ours, :2] + grid[ours]) * strides[ours]
        sizes = np.exp(told[ours, 2:4].astype(np.float64)) * strides[ours]
        return Found(corners(middles, sizes), scores, kinds)
