"""Tells whether a vehicle stands in a parking bay, not minding who drives past or hides it for a moment."""

from __future__ import annotations

from typing import Final

import numpy as np

from agent.core.scene import Bay as Drawn
from pipelines.vision.arrays import Flags, Floats
from pipelines.vision.polygon import Polygon

TAKEN_AFTER: Final = 8.0  # seconds that a vehicle must stand there; its track outlives it by two
FREE_AFTER: Final = 10.0  # seconds that none must be seen


class Bay:
    """One bay over a picture that is *aspect* times as wide as high."""

    def __init__(self, drawn: Drawn, aspect: float) -> None:
        self._outline = Polygon(drawn.corners, aspect)
        self._for = 0.0  # seconds for which what is seen has differed from what is told
        self.occupied: bool | None = None  # None until something has been seen for long enough

    def feed(self, boxes: Floats, vehicles: Flags, seconds: float) -> None:
        """Take where the tracks are now, *seconds* after the last time."""
        # a vehicle stands nearer to the middle of its lower half than to its lower edge
        spots = np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + 3 * boxes[:, 3]) / 4])
        here = bool((vehicles & (self._outline.depth(spots) > 0)).any())
        self._for = 0.0 if here == self.occupied else self._for + seconds
        if self._for >= (TAKEN_AFTER if here else FREE_AFTER):
            self.occupied, self._for = here, 0.0
