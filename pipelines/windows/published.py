"""Which windows were published already, as stretches of UTC time, so that none is published twice.

One high-water mark would not do: after a clock that ran two days ahead was put right, it would refuse two
days of data. It forgets the oldest stretch beyond thirty-two; each one means a step of the clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_MOST: Final = 32


class Published:
    """Stretches of UTC seconds that published windows cover."""

    def __init__(self, stretches: Iterable[tuple[float, float]] = ()) -> None:
        self._stretches = list(stretches)[-_MOST:]

    def __contains__(self, window: tuple[float, float]) -> bool:
        """Say whether a published window overlaps *window*."""
        start, end = window
        return any(start < last and end > first for first, last in self._stretches)

    def add(self, start: float, end: float) -> None:
        """Remember the window from *start* to *end*."""
        for place, (first, last) in enumerate(self._stretches):
            if start == last or end == first:
                self._stretches[place] = (min(start, first), max(end, last))
                return
        self._stretches = [*self._stretches, (start, end)][-_MOST:]

    def after(self, utc: float) -> list[tuple[float, float]]:
        """List what lies ahead of *utc*: where no sample will be taken, because the clock was set back."""
        return sorted((max(first, utc), last) for first, last in self._stretches if last > utc)

    def stretches(self) -> list[tuple[float, float]]:
        """List the stretches, for another day."""
        return list(self._stretches)
