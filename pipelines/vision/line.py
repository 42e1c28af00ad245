"""Counts who crosses a line, and which way, by the middle of the lower edge of the box.

Around the line lies a band as wide as a share of the box's height, within which nothing is decided or
remembered: a box that trembles on the line is not a crowd. Every way back counts anew. The memory is one side
and one position for each track, and ends with it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from agent.core.scene import Line as Drawn
from pipelines.vision.arrays import Flags, Floats
from pipelines.vision.tracker import Moved

BAND: Final = 0.09  # heights of the box, on each side
_OVERHANG: Final = 0.02  # of the line, at each end


class Crossed(NamedTuple):
    """Which rows crossed just now, by the side on which they arrived."""

    to_left: Flags
    to_right: Flags

    def any(self) -> bool:
        """Say whether any did."""
        return bool(self.to_left.any() or self.to_right.any())


class Line:
    """One line over a picture that is *aspect* times as wide as high."""

    def __init__(self, drawn: Drawn, aspect: float) -> None:
        scale = np.array([aspect, 1.0])
        self._from = np.array(drawn.start) * scale
        way = np.array(drawn.end) * scale - self._from
        self._length = float(np.hypot(*way))
        self._along = way / self._length
        # y grows downwards: this points to the right hand of who walks along
        self._right = np.array([-self._along[1], self._along[0]])
        self._side = np.zeros(0)  # distance to the right when last outside the band; nan: not yet
        self._at = np.zeros(0)  # position along the line then, as a share of it

    def follow(self, moved: Moved) -> None:
        """Keep the memory beside the tracker's rows."""
        if moved.began or len(moved.stayed) < len(self._side):
            unknown = np.full(moved.began, np.nan)
            self._side = np.concatenate([self._side[moved.stayed], unknown])
            self._at = np.concatenate([self._at[moved.stayed], unknown])

    def feed(self, boxes: Floats, found: Flags, sure: Flags) -> Crossed:
        """Take where the tracks are now; those not *found* decide nothing.

        One that is not *sure* yet cannot cross, but where it began is remembered: many are first seen near a
        line, and at two pictures a second they are across before they count.
        """
        away = feet(boxes) - self._from
        side, at = away @ self._right, away @ self._along / self._length
        outside = found & (np.abs(side) >= BAND * (boxes[:, 3] - boxes[:, 1]))
        middle = (at + self._at) / 2
        on_it = (middle >= -_OVERHANG) & (middle <= 1 + _OVERHANG)
        crossed = outside & sure & on_it & (side * self._side < 0)  # nothing compares with nan
        learnt = outside & (sure | np.isnan(self._side))
        self._side[learnt], self._at[learnt] = side[learnt], at[learnt]
        return Crossed(crossed & (side < 0), crossed & (side > 0))


def feet(boxes: Floats) -> Floats:
    """Give the middle of each box's lower edge: where somebody stands."""
    return np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]])
