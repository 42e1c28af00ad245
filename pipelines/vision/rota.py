"""Whose turn it is: the picture that is most overdue, so that a shortage falls on all cameras alike.

Pictures are never queued: each camera has its newest one, or none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from agent.core.sight import Camera, Sight
from pipelines.vision.capture.reader import Latest, Reader
from pipelines.vision.detector import Detector
from pipelines.vision.eye import Eye
from pipelines.vision.outfit import Outfit

_SILENT_AFTER: Final = 3.2  # seconds; the library hands over one old picture after its own two
_GROUP: Final = 12.0  # seconds between two key frames, at most
_HUNG_AFTER: Final = 15.0  # more than two of the library's own time-outs
_ABANDONED: Final = 3  # hung threads of one camera that are waited for before another one is begun


class Source:
    """Who reads one camera, watched from outside."""

    def __init__(
        self,
        camera: Camera,
        outfit: Outfit,
        ring: threading.Condition,
        now: Callable[[], float],
    ) -> None:
        self._camera = camera
        self._outfit = outfit
        self._ring = ring
        self._now = now
        self._hung: list[threading.Thread] = []
        self._patience = max(_SILENT_AFTER, 3 / camera.rate, _GROUP if camera.keyframes else 0.0)
        self.latest, self._reader = self._begin()

    def sight(self) -> Sight | None:
        """Say why nothing new has come for too long; None while pictures come."""
        now, sight = self._now(), self.latest.sight
        if now - self.latest.new_at <= self._patience and sight in (Sight.OK, Sight.SILENT):
            return None
        if now - max(self.latest.new_at, self.latest.tried_at) > self._patience + _HUNG_AFTER:
            self._replace()
        return Sight.SILENT if sight is Sight.OK else sight

    def end(self) -> None:
        """Tell the thread to end."""
        self.latest.gone = True

    def _begin(self) -> tuple[Latest, Reader]:
        latest = Latest(self._ring, self._now)
        camera = self._camera
        reader = Reader(self._outfit, latest, rate=camera.rate, keyframes=camera.keyframes)
        reader.start()
        return latest, reader

    def _replace(self) -> None:
        self._hung = [one for one in self._hung if one.is_alive()]
        if len(self._hung) < _ABANDONED:
            self.latest.gone = True
            self._hung.append(self._reader)
            self.latest, self._reader = self._begin()


class Seat:
    """One camera at the table: its source, its eye, its model, and when its next picture is due."""

    def __init__(self, camera: Camera, source: Source, eye: Eye, detector: Detector) -> None:
        self.source = source
        self.eye = eye
        self.due = 0.0
        self._step = 1 / camera.rate
        self._detector = detector

    def look(self, now: float, end: float, close: Callable[[], None]) -> None:
        """Analyse the picture that waits; *close* comes first when it was taken after *end*."""
        self.due = self.source.latest.due = max(self.due + self._step, now)
        still = self.source.latest.take()
        if still is None:
            return
        if still.at >= end:
            close()
        self.eye.look(still, self._detector)


def next_of(seats: Sequence[Seat], now: float) -> Seat | None:
    """Give the camera whose waiting picture is most overdue."""
    ready = [one for one in seats if one.due <= now and one.source.latest.waits]
    return min(ready, key=lambda one: one.due, default=None)
