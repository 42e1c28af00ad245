"""Where boxes are and where they will be: constant-velocity Kalman filters, one for each number of a box.

A box is its middle, width and height; the four filters of a box do not know of each other. All noise is given
in heights of the box: near things move and tremble by more than far ones. Times are real seconds, and steps
may be uneven.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pipelines.vision.arrays import Flags, Floats, Ints

# in heights of the box, for things that walk; a step of t seconds
_DRIFT: Final = 0.132  # of the place, times the root of t
_SURGE: Final = 0.23  # of the speed, times the root of t
_TREMOR: Final = 0.05  # of a detector's box
_ANY_SPEED: Final = 0.875  # of somebody who has just been seen for the first time
_LEAST_HEIGHT: Final = 0.014  # of the picture's: noise of a smaller box would vanish
_LEAST_SIDE: Final = 0.0035


class Motion:
    """The filters of all boxes, a row each."""

    def __init__(self) -> None:
        self.place = np.zeros((0, 4))
        self.speed = np.zeros((0, 4))
        # variances of place and speed, and between them their covariance
        self._place_var, self._both, self._speed_var = (np.zeros((0, 4)) for _ in range(3))

    def __len__(self) -> int:
        return len(self.place)

    def boxes(self) -> Floats:
        """Give x1, y1, x2, y2 of each row."""
        half = self.place[:, 2:] / 2
        return np.hstack([self.place[:, :2] - half, self.place[:, :2] + half])

    def predict(self, seconds: float) -> None:
        """Move every box on by *seconds*."""
        tall = self._tall()
        self.place = self.place + self.speed * seconds
        self.place[:, 2:] = np.maximum(self.place[:, 2:], _LEAST_SIDE)
        drift = (_DRIFT * tall) ** 2 * seconds
        self._place_var += 2 * self._both * seconds + self._speed_var * seconds**2 + drift
        self._both += self._speed_var * seconds
        self._speed_var += (_SURGE * tall) ** 2 * seconds

    def correct(self, rows: Ints, boxes: Floats) -> None:
        """Learn that *rows* were seen at *boxes*."""
        noise = (_TREMOR * self._tall()[rows]) ** 2
        place_var, both = self._place_var[rows], self._both[rows]
        trust, lean = place_var / (place_var + noise), both / (place_var + noise)
        error = _numbers(boxes) - self.place[rows]
        self.place[rows] += trust * error
        self.speed[rows] += lean * error
        self._place_var[rows] = (1 - trust) * place_var
        self._both[rows] = (1 - trust) * both
        self._speed_var[rows] -= lean * both

    def begin(self, boxes: Floats) -> None:
        """Add rows for *boxes*, at rest but of unknown speed."""
        place = _numbers(boxes)
        tall = np.repeat(place[:, 3:], 4, axis=1)
        still = np.zeros_like(place)
        self.place = np.vstack([self.place, place])
        self.speed = np.vstack([self.speed, still])
        self._place_var = np.vstack([self._place_var, (2 * _TREMOR * tall) ** 2])
        self._both = np.vstack([self._both, still])
        self._speed_var = np.vstack([self._speed_var, (_ANY_SPEED * tall) ** 2])

    def keep(self, rows: Flags) -> None:
        """Forget all other rows."""
        self.place, self.speed = self.place[rows], self.speed[rows]
        self._place_var, self._both = self._place_var[rows], self._both[rows]
        self._speed_var = self._speed_var[rows]

    def _tall(self) -> Floats:
        return np.maximum(self.place[:, 3:], _LEAST_HEIGHT)


def _numbers(boxes: Floats) -> Floats:
    return np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])
