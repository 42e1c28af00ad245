"""Makes samples of one camera's numbers, so that windows know for how long it was looked at.

A number holds from the moment on by which as much time is left as was observed: what was not seen then
shows in the coverage of every figure, with its reason. A number that nobody could tell is none, and never
zero.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from agent.core.attested import Attested
from agent.core.catalogue.links import CAMERA_TROUBLE, CAMERA_WELL
from agent.core.sample import Emit, Quality, Sample
from agent.core.sight import ANALYSED, RATE, SENTENCES, STATE, Camera, Sight
from agent.core.vision import ENDING
from drivers.cameras.model import sha256_of

if TYPE_CHECKING:
    from agent.core.driver import Desk
    from agent.core.point import Point
    from drivers.cameras.records import Ready

_log = logging.getLogger(__name__)
GONE: Final = "vision_gone"
_WHOLE: Final = 0.02  # share of a cell that may be missing before anybody is told
_DOUBTFUL: Final = (Sight.BLIND, Sight.MOVED)


class _Seen(NamedTuple):
    """How one cell was seen: since when, as if without a break, and what was wrong."""

    begin: float
    since: float
    gravest: str
    doubt: str


class Report:
    """What one camera's link says."""

    def __init__(self, camera: Camera, width: float, points: Sequence[Point], emit: Emit, desk: Desk) -> None:
        self.unconfined = False
        self._name = camera.name
        self._model = Path(camera.model)
        self._width = width
        # a stamp stands a little within its cell: windows are aligned by another reading of the same clock
        self._inset = min(1.5, width / 10)
        self._points = points
        self._emit = emit
        self._desk = desk
        self._sight: Sight | None = None
        self._end: float | None = None
        # why the cell that is open is not whole; a run after another one follows an end of the process
        self._broken = GONE if desk.attested else ""

    def ready(self, ready: Ready) -> None:
        """Take the result of the attempts to get out."""
        attested = Attested(
            refused=tuple(one for one in ready.tried if one not in ready.worked),
            worked=tuple(ready.worked),
            unconfined=self.unconfined,
            model=self._model.name.removesuffix(ENDING),
            sha256=sha256_of(self._model),
        )
        self._desk.attested = attested
        self._desk.figures["confined"] = "no" if self.unconfined else "yes"
        self._desk.figures["escapes_refused"] = ready.refused
        self._desk.figures["cage"] = attested.sentence()
        self._desk.figures["model"] = f"{attested.model}, SHA-256 {attested.sha256 or 'unknown'}"

    def news(self, sight: Sight) -> None:
        """Take how the camera does; a change is logged once."""
        before = self._desk.figures.get("sight", Sight.OK.word)  # of an earlier process, too
        self._desk.figures["sight"] = sight.word
        if sight is not Sight.OK:
            self._desk.figures["trouble"] = SENTENCES[sight]
            CAMERA_TROUBLE.tell(_log, self._name, SENTENCES[sight], LINK=self._name, REASON=sight.word)
        else:
            self._desk.figures.pop("trouble", None)
            if before != Sight.OK.word:
                CAMERA_WELL.tell(_log, self._name, SENTENCES[sight], LINK=self._name)
        self._sight = sight

    def tell(self, sight: Sight, at: float) -> None:
        """Take news, and tell the point of the camera's state."""
        self.news(sight)
        name = next(one.name for one in self._points if one.name.endswith(f".{STATE}"))
        self._emit([Sample(name, float(sight), at, unconfined=self.unconfined)])

    def numbers(self, begin: float, end: float, values: Sequence[float | None]) -> None:
        """Take the numbers of one cell."""
        last = [one.name.rpartition(".")[2] for one in self._points]
        told = dict(zip(last, values, strict=True))
        seen = self._seen(begin, end, told[ANALYSED] or 0.0, int(told[STATE] or 0))
        share = round((end - seen.since) / self._width, 4)
        self._desk.figures["analysed"] = share
        self._desk.figures["analysis_rate"] = told[RATE] or 0.0
        samples: list[Sample] = []
        for point, name, value in zip(self._points, last, values, strict=True):
            if point.personal:
                samples += self._counted(point.name, value, seen)
            elif name != STATE:
                known = share if name == ANALYSED else value
                why = seen.gravest if known is None else ""
                samples.append(self._sample(point.name, known, begin, why))
        if self._end is not None and begin - self._end > self._width / 2:
            self.interrupted("silent")  # whole cells are missing in between
        self._end, self._broken = end, ""
        self._emit(sorted(samples, key=lambda one: one.at))

    def interrupted(self, why: str) -> None:
        """Say that nothing is known of the time since the latest cell."""
        if self._end is not None:
            at, self._end, self._broken = self._end + self._inset, None, why
            counted = [one.name for one in self._points if one.personal]
            self._emit([Sample(one, None, at, Quality.BAD, why, self.unconfined) for one in counted])

    def _seen(self, begin: float, end: float, observed: float, mask: int) -> _Seen:
        sights = [one for one in Sight if mask >> one & 1]
        grave: list[Sight] = [one for one in sights if one is not Sight.OK]
        gravest = (grave or [self._sight or Sight.SILENT])[-1]
        # who has just begun to look anew has seen nothing yet: that is no fault of the camera
        why = self._broken if self._broken and gravest is Sight.SILENT else gravest.word
        doubt = [one.word for one in sights if one in _DOUBTFUL]
        return _Seen(begin, end - min(self._width, observed), why, doubt[-1] if doubt else "")

    def _counted(self, name: str, value: float | None, seen: _Seen) -> Iterator[Sample]:
        """Give the sample of one counter, and before it one that says what is missing."""
        if value is None or seen.since - seen.begin > _WHOLE * self._width:
            yield self._sample(name, None, seen.begin, seen.gravest)
        if value is not None:
            yield self._sample(name, value, seen.since, seen.doubt)

    def _sample(self, name: str, value: float | None, at: float, why: str) -> Sample:
        quality = Quality.GOOD if not why else Quality.BAD if value is None else Quality.UNCERTAIN
        return Sample(name, value, at + self._inset, quality, why, self.unconfined)
