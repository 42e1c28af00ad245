"""How deep spots lie within an outline: positive inside, negative outside, zero on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agent.core.scene import Spot
from pipelines.vision.arrays import Flags, Floats


class Polygon:
    """An outline over a picture that is *aspect* times as wide as high; depths in heights of the picture."""

    def __init__(self, corners: Sequence[Spot], aspect: float) -> None:
        self._from = np.array(corners) * np.array([aspect, 1.0])
        self._way = np.roll(self._from, -1, axis=0) - self._from
        self._square = np.maximum((self._way**2).sum(axis=1), 1e-18)

    def depth(self, spots: Floats) -> Floats:
        """Give the distance of each spot to the outline, negative where it lies outside."""
        away = spots[:, None] - self._from[None]
        share = np.clip((away * self._way[None]).sum(axis=2) / self._square, 0.0, 1.0)
        near = away - share[..., None] * self._way[None]
        distance = np.sqrt((near**2).sum(axis=2).min(axis=1))
        return np.asarray(np.where(self._inside(spots), distance, -distance))

    def _inside(self, spots: Floats) -> Flags:
        """Count, for each spot, the sides that a ray to the right meets: an odd number is inside."""
        x, y = spots[:, :1], spots[:, 1:]
        low, high = self._from[None, :, 1], (self._from + self._way)[None, :, 1]
        beside = (low > y) != (high > y)
        steep = np.where(self._way[:, 1] == 0.0, 1.0, self._way[:, 1])[None]
        meets = self._from[None, :, 0] + (y - low) / steep * self._way[None, :, 0]
        return np.asarray((beside & (x < meets)).sum(axis=1) % 2 == 1)
