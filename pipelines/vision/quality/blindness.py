"""Notices that a model sees nothing of what moves: from high above, most models see no people and no cars.

Something that moves across a line or in a zone for several pictures is one passage. If the model found
nothing there in most of them, of whatever class, it was overlooked: a faint box now and then counts nobody.
No number says so by itself: a blind counter counts zero.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from agent.core.scene import Scene
from pipelines.vision.arrays import Flags, Floats
from pipelines.vision.boxes import Found
from pipelines.vision.line import feet
from pipelines.vision.polygon import Polygon
from pipelines.vision.tracker import WEAK

_REMEMBERED: Final = 600.0  # seconds
_AT_LEAST: Final = 3  # passages that were overlooked
_SHARE: Final = 0.5  # of all passages
_LONG: Final = 3  # pictures of a passage; less is a flicker
_PAUSE: Final = 1.0  # seconds that end a passage
_ENOUGH: Final = 0.25  # of the pictures of a passage
_CLOSE: Final = 0.02  # heights of the picture, around a line
_STEEP: Final = 1e-9  # and the least that it leads aside, so that it can be divided by


class Blindness:
    """What was overlooked lately on one camera, whose picture is *aspect* times as wide as high."""

    def __init__(self, scene: Scene, aspect: float) -> None:
        self._scale = np.array([aspect, 1.0] * 2)
        self._lines = [np.array([*one.start, *one.end]) * self._scale for one in scene.lines.values()]
        outlines = [one.corners for one in scene.zones.values()] + [
            one.corners for one in scene.bays.values()
        ]
        self._areas = [Polygon(one, aspect) for one in outlines]
        self._passages: deque[tuple[float, bool]] = deque()  # when, and whether the model saw anything of it
        self._pictures = 0
        self._seen = 0
        self._last = 0.0

    def feed(self, moving: Floats, found: Found, at: float) -> None:
        """Take what moved, in shares of the picture, and what the model found, in heights of it."""
        if self._pictures and at - self._last > _PAUSE:
            self._end()
        here = self._relevant(moving * self._scale)
        if not len(here):
            return
        self._pictures, self._last = self._pictures + 1, at
        # of any class: who is not to be counted was not overlooked. And here: what moved may reach elsewhere
        boxes = self._relevant(found.boxes[found.scores >= WEAK])
        self._seen += bool(_touch(here, boxes).any())

    def is_blind(self, at: float) -> bool:
        """Say whether most of what passed of late was overlooked."""
        if self._pictures and at - self._last > _PAUSE:
            self._end()
        while self._passages and self._passages[0][0] < at - _REMEMBERED:
            self._passages.popleft()
        unseen = sum(not seen for _, seen in self._passages)
        return unseen >= _AT_LEAST and unseen >= _SHARE * len(self._passages)

    def _end(self) -> None:
        if self._pictures >= _LONG:
            self._passages.append((self._last, self._seen >= _ENOUGH * self._pictures))
        self._pictures, self._seen = 0, 0

    def _relevant(self, boxes: Floats) -> Floats:
        """Give those that lie on a line or stand in an area."""
        if not len(boxes):
            return boxes
        on = np.zeros(len(boxes), np.bool_)
        for line in self._lines:
            on |= _crosses(boxes, line)
        for area in self._areas:
            on |= area.depth(feet(boxes)) > 0
        return boxes[on]


def _touch(some: Floats, others: Floats) -> np.ndarray:
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, 2:], others[None, :, 2:])
    return np.asarray((low < high).all(axis=2))


def _crosses(boxes: Floats, line: Floats) -> Flags:
    """Say into which boxes a line comes: clipped to one, something of the line is left."""
    start, way = line[:2], line[2:] - line[:2]
    along = np.where(
        np.abs(way) < _STEEP, _STEEP, way
    )  # one that stands upright or lies flat is never parallel
    one = (boxes[:, :2] - _CLOSE - start) / along
    other = (boxes[:, 2:] + _CLOSE - start) / along
    begin = np.maximum(np.minimum(one, other).max(axis=1), 0.0)
    end = np.minimum(np.maximum(one, other).min(axis=1), 1.0)
    return np.asarray(begin <= end)
