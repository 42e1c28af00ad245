"""Lets a sample pass only when its value has changed enough, or after a long silence.

It never holds back a change of quality, nor samples that each count something. A change is measured from
the last sample that passed, so a slow drift passes too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from agent.core.clock import Instant
from agent.core.duration import Duration
from agent.core.point import Kind, Point
from agent.core.sample import Sample
from agent.core.settings import Settings
from agent.core.step import Item, Scene
from pipelines._selection import fits, select

_NotNegative = Annotated[float, Meta(ge=0)]


class Deadband(Settings):
    """Holds back samples that hardly differ from the one before."""

    point: Annotated[
        str, Meta(description="Points it is for: a name, or a pattern with *; active_power, ahu-1.*.")
    ] = "*"
    absolute: Annotated[
        _NotNegative | None, Meta(description="A change by at least this much passes, in the point's unit.")
    ] = None
    percent: Annotated[
        _NotNegative | None, Meta(description="A change by at least this many percent of the value passes.")
    ] = None
    silence: Annotated[
        Duration, Meta(description="After this long the next sample passes, changed or not; 0s: never.")
    ] = Duration(0)

    def __post_init__(self) -> None:
        """Raise ValueError if nothing says what enough is."""
        if self.absolute is None and self.percent is None:
            raise ValueError("say how large a change has to be: absolute, percent or both")

    def points(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        """Give *points* with the time between samples that is left; raise ValueError if none is meant."""
        select(points, self.point)
        return tuple(
            replace(point, every=self._every(point)) if self._thins(point) else point for point in points
        )

    def start(self, scene: Scene) -> Thinning:
        """Begin to work."""
        return Thinning(self, frozenset(point.name for point in scene.points if self._thins(point)))

    def _thins(self, point: Point) -> bool:
        return point.kind is not Kind.COUNT and fits(point.name, self.point)

    def _every(self, point: Point) -> float:
        return max(float(self.silence), point.every) if self.silence > 0 else 0.0


class Thinning:
    """The last sample of each point that passed."""

    def __init__(self, settings: Deadband, names: frozenset[str]) -> None:
        self._absolute = settings.absolute
        self._percent = settings.percent
        self._silence = float(settings.silence)
        self._names = names
        self._passed: dict[str, Sample] = {}

    def feed(self, item: Item) -> Iterable[Item]:
        """Give the sample if it has changed enough; everything else passes."""
        if item.__class__ is not Sample or item.point not in self._names:
            return (item,)
        before = self._passed.get(item.point)
        if before is not None and not self._differs(item, before):
            return ()
        self._passed[item.point] = item
        return (item,)

    def tick(self, now: Instant) -> Iterable[Item]:
        """Give nothing: what is held back stays back."""
        return ()

    def _differs(self, sample: Sample, before: Sample) -> bool:
        if sample.quality is not before.quality or sample.why != before.why:
            return True
        if self._silence and sample.at - before.at >= self._silence:
            return True
        if sample.value is None or before.value is None:
            return sample.value is not before.value
        change = abs(sample.value - before.value)
        if change and self._absolute is not None and change >= self._absolute:
            return True
        return (
            bool(change) and self._percent is not None and change >= abs(before.value * self._percent / 100)
        )
