"""Lets in what a link emits, as far as it can be true, before anything else looks at it.

A driver is a plugin. What it says of points that are not its own is dropped; a value that is no number and
a stamp from the future become a bad sample with the reason. Each kind of fault is logged once. Nothing comes
in any more once the link was ended, even if its driver does not stop.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from math import inf
from typing import Final

from agent.core.catalogue.entry import cut
from agent.core.catalogue.links import DRIVER_LIES
from agent.core.sample import Quality, Sample

_log = logging.getLogger(__name__)
_AHEAD: Final = 1.0  # seconds; stamps are of the clock that is read here


class Intake:
    """The way in for one link."""

    def __init__(self, link: str, points: Iterable[str]) -> None:
        self._link = link
        self._points = frozenset(points)
        self.closed = False
        self._told: set[str] = set()

    def close(self) -> None:
        """Let nothing in from now on."""
        self.closed = True

    def accept(self, samples: Iterable[Sample], now: float) -> tuple[Sample, ...]:
        """Give those of *samples* that may go on; *now* is in boot-time seconds."""
        if self.closed:
            return ()
        points, latest = self._points, now + _AHEAD
        good = []
        for sample in samples:
            value = sample.value
            # one comparison each for what is nearly always true; a NaN fails both
            if (
                sample.point in points
                and -inf < sample.at <= latest
                and (value is None or value - value == 0.0)
            ):
                good.append(sample)
            elif (mended := self._mended(sample, now)) is not None:
                good.append(mended)
        return tuple(good)

    def _mended(self, sample: Sample, now: float) -> Sample | None:
        if sample.point not in self._points:
            self._tell("a point that is not its own", sample.point)
            return None
        if not -inf < sample.at <= now + _AHEAD:
            self._tell("a stamp from the future", sample.point)
            return Sample(sample.point, None, now, Quality.BAD, "clock")
        self._tell("a value that is no number", sample.point)
        return Sample(sample.point, None, sample.at, Quality.BAD, "not_a_number")

    def _tell(self, what: str, point: str) -> None:
        if what not in self._told:
            self._told.add(what)
            DRIVER_LIES.tell(_log, self._link, what, cut(point), LINK=self._link, POINT=cut(point))
