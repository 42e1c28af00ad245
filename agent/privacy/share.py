"""Counts how much of what a product told by day was withheld: a large share means an ill-chosen window or k.

A quiet night is no sign of that. It keeps numbers of figures and nothing of what they were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Final

from agent.core.record import Aggregate, Record, State

_LATELY: Final = 1000  # figures that count: some four days of a quarter of an hour and four doors
_ENOUGH: Final = 24
_DAY: Final = range(7, 21)  # hours at the site
_HALF: Final = 6 * 3600.0  # a window that lasts longer has some of the day in it


class Share:
    """The latest figures of one product: which of them were withheld."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._lately: deque[bool] = deque(maxlen=_LATELY)

    def note(self, records: Iterable[Record]) -> None:
        """Count *records* as they leave; a window without data says nothing of a threshold."""
        for one in records:
            if isinstance(one, Aggregate) and one.state is not State.NO_DATA and self._is_of_day(one):
                self._lately.append(one.state is State.SUPPRESSED)

    @property
    def withheld(self) -> float | None:
        """The share that was withheld; None while too few figures have left to say."""
        if len(self._lately) < _ENOUGH:
            return None
        return sum(self._lately) / len(self._lately)

    def _is_of_day(self, figure: Aggregate) -> bool:
        begun = datetime.fromtimestamp(figure.start, UTC).astimezone(self._zone)
        return figure.width > _HALF or begun.hour in _DAY
