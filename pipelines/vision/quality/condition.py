"""Tells what is wrong with a picture: covered, dark, frozen, turned away. Each must last before it is said.

It remembers how sharp the picture usually is, and where its edges usually are: a small image of edges,
averaged over minutes, in which nobody can be seen. Both are held in memory only.
"""

from __future__ import annotations

from math import exp
from typing import Final

import numpy as np

from agent.core.sight import Sight
from pipelines.vision.arrays import Pixels

_WIDTH, _HEIGHT = 160, 120
_PACE: Final = 0.9  # seconds between two looks: all that is told lasts for ten and more
_DARK, _DARK_MOST = 28.0, 64  # of 255: the mean, and what all but the brightest hundredth keep below
_FLAT: Final = 8.0  # variance of the Laplacian of a picture without any detail
_COLLAPSED: Final = 0.08  # of the usual sharpness
_LASTING: Final = 10.0  # seconds, of a covered or dark picture
STANDS_STILL: Final = 30.0  # seconds without the least change; a coder that skips still parts is well below
_TURNED_FOR: Final = 20.0
_USUAL: Final = 300.0  # seconds over which the usual is averaged
_NOW: Final = 5.0  # and the present: who walks by leaves no edge in it
_LEARNING: Final = 15.0  # seconds before anything is compared with the usual
_ALIKE: Final = 0.3  # correlation of edges below which it is another view
_SHIFT: Final = 0.025  # of the picture's width
_SURE: Final = 0.15  # of a phase correlation that tells a shift


class Condition:
    """The memory of one camera."""

    def __init__(self) -> None:
        self._since: dict[Sight, float] = {}
        self._last: Pixels | None = None
        self._at = self._began = 0.0
        self._told = Sight.OK
        self._sharp: float | None = None
        self._usual: np.ndarray | None = None
        self._present: np.ndarray | None = None

    def feed(self, luma: Pixels, at: float) -> Sight:
        """Take the brightness of the picture of *at*; give the gravest that lasts."""
        if self._last is None or at - self._at >= _PACE:
            self._told = self._judged(luma, at)
        return self._told

    def _judged(self, luma: Pixels, at: float) -> Sight:
        import cv2

        still = self._last is not None and np.array_equal(luma, self._last)
        small = cv2.resize(luma, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
        sharp = float(cv2.Laplacian(small, cv2.CV_32F).var())
        dark = float(small.mean()) < _DARK and float(np.percentile(small, 99)) < _DARK_MOST
        usual = self._sharp
        flat = sharp < _FLAT or (usual is not None and not dark and sharp < _COLLAPSED * usual)
        passed = at - self._at if self._last is not None else 0.0
        if self._last is None:
            self._began = at
        self._last, self._at = luma, at
        turned = False if dark or flat else self._is_turned(small, passed, at)
        if not (dark or flat or turned):
            self._sharp = sharp if self._sharp is None else _blend(self._sharp, sharp, passed, _USUAL)
        for sight, holds, seconds in (
            (Sight.FROZEN, still, STANDS_STILL),
            (Sight.COVERED, flat, _LASTING),
            (Sight.DARK, dark, _LASTING),
            (Sight.MOVED, turned, _TURNED_FOR),
        ):
            if self._lasts(sight, holds=holds, at=at, seconds=seconds):
                return sight
        return Sight.OK

    def _lasts(self, sight: Sight, *, holds: bool, at: float, seconds: float) -> bool:
        if not holds:
            self._since.pop(sight, None)
            return False
        return at - self._since.setdefault(sight, at) >= seconds

    def _is_turned(self, small: np.ndarray, passed: float, at: float) -> bool:
        """Compare where the edges are with where they usually are."""
        import cv2

        calm = cv2.GaussianBlur(small, (5, 5), 0).astype(np.float32)
        edges = np.hypot(cv2.Sobel(calm, cv2.CV_32F, 1, 0), cv2.Sobel(calm, cv2.CV_32F, 0, 1))
        edges = np.minimum(edges, 4 * float(edges.mean()) + 1.0)  # no sign is all of the view
        if self._usual is None or self._present is None:
            self._usual = self._present = edges
            return False
        self._present = _mixed(self._present, edges, passed, _NOW)
        learning = at - self._began < _LEARNING
        turned = not learning and _differ(self._usual, self._present)
        if not turned:
            self._usual = _mixed(self._usual, edges, passed, _NOW if learning else _USUAL)
        return turned


def _differ(usual: np.ndarray, present: np.ndarray) -> bool:
    import cv2

    one, other = usual - usual.mean(), present - present.mean()
    alike = float((one * other).mean() / max(1e-6, float(one.std() * other.std())))
    if alike < _ALIKE:
        return True
    window = cv2.createHanningWindow((_WIDTH, _HEIGHT), cv2.CV_32F)
    (right, down), sure = cv2.phaseCorrelate(one.astype(np.float32), other.astype(np.float32), window)
    return bool(np.hypot(right, down) > _SHIFT * _WIDTH and sure > _SURE)


def _mixed(old: np.ndarray, new: np.ndarray, seconds: float, memory: float) -> np.ndarray:
    share = 1 - exp(-max(0.0, seconds) / memory)
    return np.asarray((1 - share) * old + share * new, np.float32)


def _blend(old: float, new: float, seconds: float, memory: float) -> float:
    share = 1 - exp(-max(0.0, seconds) / memory)
    return (1 - share) * old + share * new
