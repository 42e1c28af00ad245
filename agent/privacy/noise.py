"""Differential privacy for one passage: noise that was drawn beforehand is added to every count.

The true count is never compared with anything: no threshold, no special zero. Rounding and clamping are
done to what the noise has made, which costs no protection. A window in which the device told nothing stays
``no_data``: that depends on the device, not on who passed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec.structs import replace

from agent.core.product import Privacy
from agent.core.record import Aggregate, State


def noisy(figure: Aggregate, noise: Sequence[int], privacy: Privacy) -> Aggregate:
    """Add to each value the number of *noise* that stands in its place; the number of samples is withheld."""
    if figure.state is State.NO_DATA:
        return figure
    pairs = zip(figure.values, noise, strict=True)
    values = tuple(None if one is None else _told(_whole(one) + more, privacy) for one, more in pairs)
    return replace(figure, n=None, values=values)


def _whole(count: float) -> int:
    """Give the count as a whole number; one passage more is one more here too."""
    return math.floor(count + 0.5)


def _told(value: int, privacy: Privacy) -> int:
    if base := privacy.round:
        value = (2 * value + base) // (2 * base) * base
    return max(0, value) if privacy.clamp else value
