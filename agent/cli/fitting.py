"""Chooses the input of a camera model: as much picture as possible for the work that is allowed."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agent.core.vision import Size

_STEP: Final = 32  # the coarsest grid of the networks
_MORE: Final = 1.06  # a little more work than asked for is no matter
_MOST: Final = 1024


def size(text: str) -> Size:
    """Read HEIGHTxWIDTH."""
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if not found or any(int(one) % _STEP for one in found.groups()):
        raise argparse.ArgumentTypeError(f'"{text}": write HEIGHTxWIDTH in multiples of {_STEP}: 256x320')
    return int(found[1]), int(found[2])


def aspect(text: str) -> float:
    """Read WIDTH:HEIGHT, or 1920x1080."""
    found = re.fullmatch(r"(\d{1,5})[:x](\d{1,5})", text)
    if not found or "0" in {found[1], found[2]}:
        raise argparse.ArgumentTypeError(f'"{text}": write the camera\'s WIDTH:HEIGHT, such as 16:9')
    return int(found[1]) / int(found[2])


def fitted(wide: float, budget: Size) -> Size:
    """Give the size that shows a picture *wide* times as wide as high largest, for the work of *budget*."""
    most = budget[0] * budget[1] * _MORE
    sides = range(_STEP, _MOST + 1, _STEP)
    fits = [(height, width) for height in sides for width in sides if height * width <= most]
    return max(fits, key=lambda one: (min(one[0], one[1] / wide), -one[0] * one[1]))
