"""Counts who is in a zone, who enters it and who leaves it, by the middle of the lower edge of the box.

The outline has the same band as a line: within it a track stays what it was. Who is first seen inside has not
entered, and who disappears inside has not left.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from agent.core.scene import Zone as Drawn
from pipelines.vision.arrays import Flags, Floats
from pipelines.vision.line import BAND, feet
from pipelines.vision.polygon import Polygon
from pipelines.vision.tracker import Moved


class Passed(NamedTuple):
    """What happened at the outline just now, and which rows are inside."""

    entered: Flags
    left: Flags
    inside: Flags


class Zone:
    """One zone over a picture that is *aspect* times as wide as high."""

    def __init__(self, drawn: Drawn, aspect: float) -> None:
        self._outline = Polygon(drawn.corners, aspect)
        self._was = np.zeros(0)  # 1 inside, -1 outside, 0 not known yet

    def follow(self, moved: Moved) -> None:
        """Keep the memory beside the tracker's rows."""
        if moved.began or len(moved.stayed) < len(self._was):
            self._was = np.concatenate([self._was[moved.stayed], np.zeros(moved.began)])

    def feed(self, boxes: Floats, found: Flags, sure: Flags) -> Passed:
        """Take where the tracks are now; only those *found* decide, all that are *sure* are inside or not.

        As with a line, one that is not sure yet is remembered where it began.
        """
        depth = self._outline.depth(feet(boxes))
        clear = found & (np.abs(depth) >= BAND * (boxes[:, 3] - boxes[:, 1]))
        learnt = clear & (sure | (self._was == 0))
        now = np.where(learnt, np.sign(depth), self._was)
        passed = Passed(
            (self._was < 0) & (now > 0),
            (self._was > 0) & (now < 0),
            sure & np.where(now == 0, depth > 0, now > 0),
        )
        self._was = now
        return passed
