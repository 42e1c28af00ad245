"""What a family of models is to the detector; one file of this folder each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from agent.core.scene import CLASSES
from pipelines.vision.arrays import Flags, Floats, Ints, Pixels, Tensor
from pipelines.vision.boxes import Found

Shape = Sequence[int | str | None]
COCO: Final = {"person": 0, "bicycle": 1, "car": 2, "motorcycle": 3, "bus": 5, "truck": 7}
CLASS_COUNT: Final = 80
_OURS: Final = np.array([COCO[one] for one in CLASSES])


class Family(Protocol):
    """The way in and the way out of one model; ``height`` and ``width`` are those of its input."""

    height: int
    width: int
    stretched: bool  # the picture fills the input whatever its aspect; else it keeps its own, top left

    def prepare(self, canvas: Pixels) -> Tensor:
        """Make the input of a picture of this height and width; it may be overwritten by the next one."""
        ...

    def decode(self, outputs: Sequence[Tensor], least: float) -> Found:
        """Read boxes, in pixels of the input, of what scores above *least*."""
        ...


def best_kinds(scores: Tensor, least: float) -> tuple[Ints, Floats, Ints]:
    """Give rows of COCO *scores* whose best class is one of ours and above *least*, with score and kind.

    Something that is a dog before it is a person is no person.
    """
    ours = scores[:, _OURS]
    rows = np.flatnonzero((ours > least).any(axis=1))  # few, and only those are looked at in full
    ours, best = ours[rows], scores[rows].max(axis=1)
    kinds = ours.argmax(axis=1)
    right: Flags = ours[np.arange(len(rows)), kinds] >= best
    return rows[right], best[right].astype(np.float64), kinds[right]


def expect(shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Raise ValueError when a model answers for another number of cells: it was made for another size."""
    if shape != wanted:
        raise ValueError(f"an output of {shape}, and {wanted} was expected")


def corners(middles: Floats, sizes: Floats) -> Floats:
    """Make boxes of their middles and sizes."""
    return np.hstack([middles - sizes / 2, middles + sizes / 2])


def cells(height: int, width: int, stride: int) -> Floats:
    """Give x and y of each cell of a grid of this *stride*, row by row."""
    rows, columns = np.mgrid[: height // stride, : width // stride]
    return np.column_stack([columns.ravel(), rows.ravel()]).astype(np.float64)
