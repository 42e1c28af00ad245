"""Counts what one camera sees, picture by picture, and gives the numbers of a cell when it is closed.

A cell is the finest stretch of time that leaves this process. Beside its numbers it knows for how long the
picture was looked at: with none of that there is no number, not even zero. Tracks go on from cell to cell as
places and speeds, so that nobody is lost who crosses a line at that moment; nothing else does.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from msgspec import Struct

from agent.core.scene import CLASSES, VEHICLES, Class, Scene
from pipelines.vision.arrays import Flags, Ints
from pipelines.vision.bay import Bay
from pipelines.vision.boxes import Found
from pipelines.vision.line import Line
from pipelines.vision.tracker import LOST, Tracker
from pipelines.vision.zone import Zone

_VEHICLES: Final = np.array([one in VEHICLES for one in CLASSES])


class Cell(Struct, frozen=True):
    """What was counted between two moments; ``numbers`` stand in the order of ``Scene.counters()``.

    ``observed`` is the time, in seconds, for which the picture was looked at. A number is None when nothing
    was seen that could tell.
    """

    begin: float
    end: float
    observed: float
    pictures: int
    numbers: tuple[float | None, ...]


class Tally:
    """The running counts of one camera whose picture is *aspect* times as wide as high."""

    def __init__(self, scene: Scene, aspect: float, begin: float) -> None:
        self._scene = scene
        self._tracker = Tracker()
        self._lines = {name: Line(one, aspect) for name, one in scene.lines.items()}
        self._zones = {name: Zone(one, aspect) for name, one in scene.zones.items()}
        self._bays = {name: Bay(one, aspect) for name, one in scene.bays.items()}
        self._inside: dict[tuple[str, str], int] = {}  # who is in a zone since the latest picture
        self._begin = self._told = begin  # numbers are complete up to ``told``
        self._seen: float | None = None  # when the latest picture was taken
        self._pictures = 0
        self._observed = 0.0
        self._clear()

    def take(self, found: Found, at: float) -> None:
        """Count what was found in the picture taken *at*."""
        self._advance(at)
        since = 0.0 if self._seen is None else max(0.0, at - self._seen)
        moved = self._tracker.update(found, since)
        self._seen, self._pictures = at, self._pictures + 1
        boxes, kinds = self._tracker.boxes, self._tracker.kinds
        seen, sure = self._tracker.found, self._tracker.sure
        for name, line in self._lines.items():
            line.follow(moved)
            crossed = line.feed(boxes, seen, sure)
            if crossed.any():  # seldom
                for one in self._scene.lines[name].classes:
                    self._count(name, f"{one}_to_left", crossed.to_left & _are(kinds, one))
                    self._count(name, f"{one}_to_right", crossed.to_right & _are(kinds, one))
        for name, zone in self._zones.items():
            zone.follow(moved)
            passed = zone.feed(boxes, seen, sure)
            for one in self._scene.zones[name].classes:
                self._count(name, f"{one}_entries", passed.entered & _are(kinds, one))
                self._count(name, f"{one}_exits", passed.left & _are(kinds, one))
                self._fill(name, one, int((passed.inside & _are(kinds, one)).sum()))
        for bay in self._bays.values():
            bay.feed(boxes, sure & _VEHICLES[kinds], min(since, LOST))

    def close(self, at: float) -> Cell:
        """Give the numbers up to *at*, and begin the next cell there."""
        self._advance(at)
        looked = self._observed > 0
        numbers = tuple(
            self._number(one.place, one.name) if looked else None for one in self._scene.counters()
        )
        cell = Cell(self._begin, at, self._observed, self._pictures, numbers)
        self._begin = at
        self._clear()
        return cell

    def _clear(self) -> None:
        self._pictures = 0
        self._observed = 0.0
        self._counts: dict[tuple[str, str], int] = {}
        self._areas: dict[tuple[str, str], float] = {}
        self._most = dict(self._inside)
        self._taken: dict[str, float] = {}
        self._known: dict[str, float] = {}  # for how long a bay's state was known

    def _advance(self, at: float) -> None:
        """Let what the latest picture showed hold until *at*, but no longer than a track would."""
        if self._seen is not None:
            held = min(at, self._seen + LOST) - self._told
            if held > 0:
                self._observed += held
                for key, many in self._inside.items():
                    self._areas[key] = self._areas.get(key, 0.0) + many * held
                for name, bay in self._bays.items():
                    if bay.occupied is not None:
                        self._known[name] = self._known.get(name, 0.0) + held
                        self._taken[name] = self._taken.get(name, 0.0) + held * bay.occupied
        self._told = max(self._told, at)

    def _count(self, place: str, what: str, rows: Flags) -> None:
        key = place, what
        self._counts[key] = self._counts.get(key, 0) + int(rows.sum())

    def _fill(self, place: str, one: Class, many: int) -> None:
        key = place, one
        self._inside[key] = many
        self._most[key] = max(many, self._most.get(key, 0))

    def _number(self, place: str, name: str) -> float | None:
        if place in self._bays:
            known = self._known.get(place, 0.0)
            return self._taken[place] / known if known else None
        kind, _, what = name.partition("_")
        if what == "mean":
            return self._areas.get((place, kind), 0.0) / self._observed
        if what == "max":
            return self._most.get((place, kind), 0)
        return self._counts.get((place, name), 0)


def _are(kinds: Ints, one: Class) -> Flags:
    return np.asarray(kinds == CLASSES.index(one))
