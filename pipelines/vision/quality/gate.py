"""Says whether anything moves, on the brightness alone and small: most of a night needs no model.

What moves comes as boxes, in shares of the picture, by which it can be told that the model sees nothing of
it. A jump of the whole picture (a cloud, a lamp, the camera's own exposure) is no motion.
"""

from __future__ import annotations

from math import exp
from typing import Final, NamedTuple

import numpy as np

from pipelines.vision.arrays import Floats, Pixels

_WIDTH, _HEIGHT = 160, 120  # somebody is seen there too, and noise less
_MEMORY: Final = 15.0  # seconds after which a change is part of the scene
_CHANGED: Final = 25  # of 255
_LEAST: Final = 0.0015  # of the picture
_JUMP: Final = 0.6  # share of the picture that changes at once when its light does
_SETTLING: Final = 1.0  # seconds after a jump for which nothing is made of motion
STAYS_OPEN: Final = 3.0  # seconds after the last motion


class Motion(NamedTuple):
    """What moved in one picture."""

    boxes: Floats  # x1, y1, x2, y2 of each
    is_open: bool
    opened: bool  # just now
    jumped: bool


class Gate:
    """The memory of one camera: its scene as it is on the average of some seconds."""

    def __init__(self) -> None:
        self._scene: np.ndarray | None = None
        self._at = 0.0
        self._moved_at = -STAYS_OPEN
        self._settled_at = 0.0
        self._was_open = False

    def feed(self, luma: Pixels, at: float) -> Motion:
        """Take the picture of *at*, as it was scaled for the model."""
        import cv2

        calm = cv2.GaussianBlur(cv2.resize(luma, (_WIDTH, _HEIGHT)), (3, 3), 0)
        if self._scene is None:
            self._scene, self._moved_at = calm.astype(np.float32), at
        changed = cv2.threshold(
            cv2.absdiff(calm, self._scene.astype(np.uint8)), _CHANGED, 255, cv2.THRESH_BINARY
        )[1]
        jumped = float(np.count_nonzero(changed)) > _JUMP * changed.size
        if jumped:
            self._scene, self._settled_at = calm.astype(np.float32), at + _SETTLING
        else:
            cv2.accumulateWeighted(calm, self._scene, 1 - exp(-max(0.0, at - self._at) / _MEMORY))
        self._at = at
        boxes = np.zeros((0, 4)) if jumped or at < self._settled_at else _boxes(changed)
        if len(boxes) or jumped:
            self._moved_at = at
        is_open = at - self._moved_at <= STAYS_OPEN
        opened, self._was_open = is_open and not self._was_open, is_open
        return Motion(boxes, is_open, opened, jumped)


def _boxes(changed: np.ndarray) -> Floats:
    import cv2

    grown = cv2.dilate(changed, np.ones((5, 5), np.uint8))
    outlines, _ = cv2.findContours(grown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = [cv2.boundingRect(one) for one in outlines if cv2.contourArea(one) >= _LEAST * changed.size]
    boxes = np.array(found, np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return np.asarray(boxes / np.tile(changed.shape[::-1], 2))
