"""What a family of models is to the detector; one file of this folder each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.core.scene import CLASSES
from pipelines.vision.arrays import Floats, Ints, Pixels, Tensor
from pipelines.vision.boxes import Found

Shape = Sequence[int | str | None]
Rows = Sequence[tuple[NDArray[Any], ...]]  # of each grid, each as its family wants it
COCO: Final = {"person": 0, "bicycle": 1, "car": 2, "motorcycle": 3, "bus": 5, "truck": 7}
CLASS_COUNT: Final = 80
_FIRST: Final = max(COCO.values()) + 1  # classes, among which are all of ours
_KINDS: Final = np.full(CLASS_COUNT, -1, np.intp)  # the kind that each class is, if it is one of ours
_KINDS[[COCO[one] for one in CLASSES]] = np.arange(len(CLASSES))


class Family(Protocol):
    """The way in and the way out of one model; ``height`` and ``width`` are those of its input."""

    height: int
    width: int
    stretched: bool  # the picture fills the input whatever its aspect; else it keeps its own, top left

    def prepare(self, canvas: Pixels) -> Tensor:
        """Make the input of a picture; the next one takes its place, or that of its upper left part."""
        ...

    def sift(self, outputs: Sequence[Tensor], least: float) -> Rows:
        """Keep what may be something of ours above *least*; the outputs may be overwritten afterwards."""
        ...

    def decode(self, rows: Rows, least: float) -> Found:
        """Read boxes, in pixels of the input, of what scores above *least*."""
        ...


def lively(scores: Tensor, least: float) -> Ints:
    """Give the rows of COCO *scores* in which a class of ours, or one beside them, is above *least*: few."""
    rows: Ints = np.flatnonzero(scores[:, :_FIRST] > least) // _FIRST
    first = np.ones(len(rows), np.bool_)
    np.not_equal(rows[1:], rows[:-1], out=first[1:])
    return rows[first]


def best_kinds(scores: Tensor, least: float) -> tuple[Ints, Floats, Ints]:
    """Give rows of COCO *scores* whose best class is one of ours and above *least*, with score and kind.

    Something that is a dog before it is a person is no person.
    """
    best = scores.argmax(axis=1)
    most = scores[np.arange(len(scores)), best]
    kinds = _KINDS[best]
    rows = np.flatnonzero((kinds >= 0) & (most > least))
    return rows, most[rows].astype(np.float64), kinds[rows]


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
