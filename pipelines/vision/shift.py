"""The cameras of one plan at work: pictures by turns, cells that end together, a watch over every source."""

from __future__ import annotations

import threading
from math import floor
from typing import Final

from agent.core.clock import Clock
from agent.core.sight import Camera, Cell, Watch
from pipelines.vision.eye import Eye
from pipelines.vision.outfit import Outfit
from pipelines.vision.rota import Seat, Source, next_of
from pipelines.vision.wire import Bulletin, Wire

_GRACE: Final = 0.6  # seconds for pictures that were taken before a cell ended
_GLANCE: Final = 0.25  # seconds between two looks at the sources while nothing is due


class Shift:
    """All seats, and the bucket that is open."""

    def __init__(self, watch: Watch, table: tuple[Cell, ...], wire: Wire, clock: Clock) -> None:
        self._watch = watch
        self._table = table
        self._wire = wire
        self._clock = clock
        self._ring = threading.Condition()
        self._seats: dict[int, Seat] = {}
        self._news = {place: Bulletin(place) for place in range(len(watch.cameras))}
        self._closed: dict[int, list[int | None]] = {}
        self._begin = clock.boot()
        self._bucket = floor((self._begin + watch.offset) / watch.width)

    def add(self, place: int, camera: Camera, outfit: Outfit) -> None:
        """Begin to read a camera."""
        source = Source(camera, outfit, self._ring, self._clock.boot)
        own = tuple(one for one in self._table if one.camera == place)
        self._seats[place] = Seat(camera, source, Eye(camera, own, self._begin), outfit.detector)

    def work(self) -> float:
        """Analyse one picture, or wait a moment; give boot-time seconds."""
        now = self._clock.boot()
        end = self._end()
        if now >= end + _GRACE:
            self._finish(end, now)
            return now
        seats = list(self._seats.items())
        if (turn := next_of([one for _, one in seats], now)) is not None:
            place = next(place for place, one in seats if one is turn)
            turn.look(now, end, lambda: self._close(place, end))
        else:
            self._wait(now)
        for place, seat in seats:
            if (sight := seat.source.sight()) is not None:
                seat.eye.notice(sight)
            self._news[place].post(seat.eye.sight, now, self._wire)
        return now

    def end(self) -> None:
        """Let every thread end."""
        for seat in self._seats.values():
            seat.source.end()

    def _end(self) -> float:
        """Give the boot time at which the open bucket ends."""
        return (self._bucket + 1) * self._watch.width - self._watch.offset

    def _close(self, place: int, end: float) -> None:
        if place not in self._closed:
            self._closed[place] = self._seats[place].eye.close(end)

    def _finish(self, end: float, now: float) -> None:
        """Send the bucket whose time is over, and open the one of this moment."""
        for place in self._seats:
            self._close(place, end)
        width = self._watch.width
        numbers: list[int | None] = []
        for place in range(len(self._watch.cameras)):
            own = sum(one.camera == place for one in self._table)
            numbers += self._closed.get(place, [None] * own)
        self._wire.numbers(numbers, self._bucket, round(end * 1e9))
        self._closed.clear()
        present = floor((now + self._watch.offset) / width)
        if present > self._bucket + 1:  # the computer slept: what was counted meanwhile is of no bucket
            begin = present * width - self._watch.offset
            for seat in self._seats.values():
                seat.eye.close(begin)
        self._bucket = max(present, self._bucket + 1)

    def _wait(self, now: float) -> None:
        """Wait until a picture is due: it may be there by then, and wakes us if it comes later."""
        seats = list(self._seats.values())
        due = [one.due - now for one in seats if one.due > now]
        with self._ring:
            if next_of(seats, now) is None:  # none has come meanwhile
                self._ring.wait(max(0.001, min([_GLANCE, *due])))
