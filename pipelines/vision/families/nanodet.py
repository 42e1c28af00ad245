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
from pipelines.vision.families.family import CLASS_COUNT, Shape, best_kinds, cells, expect

STRIDES: Final = (8, 16, 32)
_MEAN: Final = (103.53, 116.28, 123.675)
_DEVIATION: Final = (57.375, 57.12, 58.395)


class Nanodet:
    """A model whose input is [1, 3, height, width], with six outputs."""

    stretched = False

    def __init__(self, shape: Shape) -> None:
        self.height, self.width = (int(one or 0) for one in shape[2:])
        self._middles = [(cells(self.height, self.width, one) + 0.5) * one for one in STRIDES]
        self._made = np.empty((1, 3, self.height, self.width), np.float32)

    def prepare(self, canvas: Pixels) -> Tensor:
        """Normalise each colour."""
        for colour, (mean, deviation) in enumerate(zip(_MEAN, _DEVIATION, strict=True)):
            plane = self._made[0, colour]
            np.multiply(canvas[..., colour], np.float32(1 / deviation), out=plane)
            plane -= np.float32(mean / deviation)
        return self._made

    def decode(self, outputs: Sequence[Tensor], least: float) -> Found:
        """Read the cells that see something, grid by grid; a finer grid has more of them."""
        maps = sorted((one[0] for one in outputs), key=lambda one: -len(one))
        classes = [one for one in maps if one.shape[1] == CLASS_COUNT]
        edges = [one for one in maps if one.shape[1] != CLASS_COUNT]
        parts = [
            self._grid(*grid, least=least)
            for grid in zip(classes, edges, self._middles, STRIDES, strict=True)
        ]
        boxes, scores, kinds = (np.concatenate(one) for one in zip(*parts, strict=True))
        return Found(boxes, scores, kinds)

    def _grid(self, classes: Tensor, edges: Tensor, middles: Floats, stride: int, *, least: float) -> Found:
        expect(classes.shape, (len(middles), CLASS_COUNT))
        rows, scores, kinds = best_kinds(classes, least)
        bins = edges[rows].reshape(len(rows), 4, edges.shape[1] // 4).astype(np.float64)
        weight = np.exp(bins - bins.max(axis=2, keepdims=True))
        expected = (weight @ np.arange(bins.shape[2])) / weight.sum(axis=2)
        away = expected * stride
        boxes = np.hstack([middles[rows] - away[:, :2], middles[rows] + away[:, 2:]])
        return Found(boxes, scores, kinds)
