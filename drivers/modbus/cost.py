"""Learns what a request costs on a link: a fixed part, and a part per register.

Pure. Both parts are the line of best fit through the latest replies, old ones fading. The part per register
stays as it was known until the replies differ enough in size to say otherwise.
"""

from __future__ import annotations

import math
from typing import Final

from drivers.modbus.plan import Cost

_FADE: Final = 0.05
_ENOUGH: Final = 30
_DRIFT: Final = 0.3
_SURE: Final = 3.0
_LEAST: Final = Cost(0.05, 0.0005)


class CostModel:
    """What is known of one device's price of a request, in milliseconds."""

    def __init__(self, foreseen: Cost) -> None:
        self._foreseen = foreseen
        self._register = foreseen.register
        self._count = 0
        self._size = self._time = self._sizes = self._cross = self._times = 0.0

    def add(self, size: float, ms: float) -> None:
        """Note that a request for *size* registers took *ms*."""
        self._count += 1
        weight = max(_FADE, 1 / self._count)
        from_size, from_time = size - self._size, ms - self._time
        self._size += weight * from_size
        self._time += weight * from_time
        keep = 1 - weight
        self._sizes = keep * (self._sizes + weight * from_size * from_size)
        self._cross = keep * (self._cross + weight * from_size * from_time)
        self._times = keep * (self._times + weight * from_time * from_time)

    @property
    def cost(self) -> Cost:
        """The present estimate."""
        if self._count < _ENOUGH:
            return self._foreseen
        register = self._slope()
        request = max(_LEAST.request, self._time - register * self._size)
        return Cost(request, register)

    def has_drifted_from(self, planned: Cost) -> bool:
        """Say whether a plan made for *planned* deserves another thought."""
        now = self.cost
        return any(
            abs(new - old) > _DRIFT * old
            for new, old in ((now.request, planned.request), (now.register, planned.register))
        )

    def _slope(self) -> float:
        """Give milliseconds per register: as known so far, unless the replies are sure of something else."""
        if self._sizes < 1.0:
            return self._register
        slope = self._cross / self._sizes
        rest = max(0.0, self._times - slope * self._cross)
        doubt = math.sqrt(rest / self._sizes / min(self._count, 1 / _FADE))
        if abs(slope - self._register) > _SURE * doubt:
            # kept, because a good plan may leave requests of one size only, which tell nothing
            self._register = max(_LEAST.register, slope)
        return self._register
