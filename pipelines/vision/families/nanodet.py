"""NanoDet: for each of three grids a map of classes and a map of distances to the four edges of the box.

A distance is a distribution over eleven bins, whose expectation counts in strides. Input: colours less their
mean, over their deviation, as usual for networks that began with ImageNet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from pipelines.vision.arrays import Floats, Pixels, Tensor
from pipelines.vision.boxes import Found
from pipelines.vision.families.family import CLASS_COUNT, Rows, Shape, best_kinds, cells, expect, lively

STRIDES: Final = (8, 16, 32)
_MEAN: Final = np.array([103.53, 116.28, 123.675]).reshape(3, 1, 1)
_DEVIATION: Final = np.array([57.375, 57.12, 58.395]).reshape(3, 1, 1)
_SCALE: Final = (1 / _DEVIATION).astype(np.float32)
_SHIFT: Final = (_MEAN / _DEVIATION).astype(np.float32)


class Nanodet:
    """A model whose input is [1, 3, height, width], with six outputs."""

    stretched = False

    def __init__(self, shape: Shape) -> None:
        self.height, self.width = (int(one or 0) for one in shape[2:])
        self._grids = [_grid(self.height, self.width, one) for one in STRIDES]
        self._made = np.empty((1, 3, self.height, self.width), np.float32)

    def prepare(self, canvas: Pixels) -> Tensor:
        """Normalise each colour."""
        part = self._made[0, :, : canvas.shape[0], : canvas.shape[1]]
        np.multiply(canvas.transpose(2, 0, 1), _SCALE, out=part)
        np.subtract(part, _SHIFT, out=part)
        return self._made

    def sift(self, outputs: Sequence[Tensor], least: float) -> Rows:
        """Keep the cells that see something, grid by grid; a finer grid has more of them."""
        maps = sorted((one[0] for one in outputs), key=lambda one: -len(one))
        classes = [one for one in maps if one.shape[1] == CLASS_COUNT]
        edges = [one for one in maps if one.shape[1] != CLASS_COUNT]
        return [_lively(*grid, least) for grid in zip(classes, edges, self._grids, strict=True)]

    def decode(self, rows: Rows, least: float) -> Found:
        """Read the cells that were kept."""
        scores, bins, grid = (np.concatenate(one) for one in zip(*rows, strict=True))
        ours, best, kinds = best_kinds(scores, least)
        return Found(_boxes(bins[ours], grid[ours]), best, kinds)


def _lively(classes: Tensor, edges: Tensor, grid: Floats, least: float) -> tuple[Tensor, Tensor, Floats]:
    expect(classes.shape, (len(grid), CLASS_COUNT))
    rows = lively(classes, least)
    return classes[rows], edges[rows], grid[rows]


def _grid(height: int, width: int, stride: int) -> Floats:
    """Give the middle of each cell, and its stride."""
    middles = (cells(height, width, stride) + 0.5) * stride
    return np.hstack([middles, np.full((len(middles), 1), stride)])


def _boxes(bins: Tensor, grid: Floats) -> Floats:
    """Make boxes of the distributions of four distances, around the middles of cells."""
    # one after the other along the last axis, which is a long one
    bent = np.ascontiguousarray(bins.T, np.float64).reshape(4, bins.shape[1] // 4, len(bins))
    weight = np.exp(bent - bent.max(axis=1, keepdims=True))
    away = np.arange(bent.shape[1]) @ weight / weight.sum(axis=1) * grid[:, 2]
    away[:2] *= -1
    boxes: Floats = (np.tile(grid[:, :2], 2).T + away).T
    return boxes
