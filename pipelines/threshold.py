"""Tells when a value goes beyond a limit, and when it is back: events, beside the samples that pass through.

It judges good samples only, and never repeats itself: one event when the limit is crossed for long enough,
one when the value has come back by the hysteresis.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, convert

from agent.core.clock import Instant
from agent.core.duration import Duration
from agent.core.point import Point
from agent.core.record import Event
from agent.core.sample import Quality, Sample
from agent.core.settings import Settings
from agent.core.step import Item, Scene
from pipelines._lifetime import lifetime
from pipelines._personal import may_be_kept
from pipelines._selection import select

Side = Literal["", "above", "below"]


class Threshold(Settings):
    """Tells when a value goes beyond a limit and when it is back."""

    point: Annotated[
        str, Meta(description="Points it is for: a name, or a pattern with *; filter_pressure, ahu-1.*.")
    ] = "*"
    above: Annotated[float | None, Meta(description="A higher value is beyond, in the point's unit.")] = None
    below: Annotated[float | None, Meta(description="A lower value is beyond, in the point's unit.")] = None
    hysteresis: Annotated[
        float, Meta(description="How far inside the limit a value counts as back, in the point's unit.", ge=0)
    ] = 0.0
    lasting: Annotated[Duration, Meta(description="How long a value must stay beyond before it is told.")] = (
        Duration(0)
    )
    severity: Annotated[
        Literal["info", "warning", "critical"], Meta(description="How much it matters to who reads it.")
    ] = "warning"
    text: Annotated[
        str,
        Meta(description="What people read, such as filter pressure above 250 Pa; else made from the limit."),
    ] = ""

    def __post_init__(self) -> None:
        """Raise ValueError if there is no limit, or none can be crossed."""
        if self.above is None and self.below is None:
            raise ValueError("say which limit: above, below or both")
        if self.above is not None and self.below is not None:
            if self.below >= self.above:
                raise ValueError("below must be less than above")
            if self.hysteresis > self.above - self.below:
                raise ValueError("hysteresis is wider than the room between below and above")

    def points(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        """Give *points* unchanged; raise ValueError if none is meant."""
        select(points, self.point)
        return points

    def start(self, scene: Scene) -> Watching:
        """Begin to work."""
        saved = {} if scene.saved is None else convert(scene.saved, dict[str, Literal["above", "below"]])
        watches = {
            point.name: _Watch(self, point, saved.get(point.name, ""))
            for point in select(scene.points, self.point)
        }
        return Watching(watches, scene.now)


class Watching:
    """On which side of its limits each point is."""

    def __init__(self, watches: dict[str, _Watch], now: Instant) -> None:
        self._watches = watches
        self._now = now

    def feed(self, item: Item) -> Iterable[Item]:
        """Give the item, followed by an event if it tells of a crossing."""
        if item.__class__ is not Sample:
            return (item,)
        watch = self._watches.get(item.point)
        if watch is None:
            return (item,)
        event = watch.take(item, self._now)
        return (item,) if event is None else (item, event)

    def tick(self, now: Instant) -> Iterator[Item]:
        """Give an event for each point that has been beyond its limit for long enough by now."""
        self._now = now
        for watch in self._watches.values():
            if (event := watch.wait(now)) is not None:
                yield event

    def save(self, *, stopping: bool) -> Any:  # noqa: ANN401 - plain JSON values
        """Give the crossings that were told and not taken back, so that a start does not tell them again."""
        told = {name: watch.told for name, watch in self._watches.items() if watch.told and watch.kept}
        return told or None


class _Watch:
    """One point: what was told last, and since when it has been beyond."""

    def __init__(self, settings: Threshold, point: Point, told: Side) -> None:
        self._settings = settings
        self._point = point
        self.told: Side = told
        self.kept = may_be_kept(point)
        self._fresh = lifetime(point)
        self._beyond: Side = ""
        self._since = 0.0
        self._last: Sample | None = None

    def take(self, sample: Sample, now: Instant) -> Event | None:
        if sample.quality is not Quality.GOOD or sample.value is None:
            if sample.quality is Quality.BAD:
                self._beyond, self._last = "", None
            return None
        self._last = sample
        side = self._side(sample.value)
        if side != self._beyond:
            self._beyond, self._since = side, sample.at
        if self.told and side != self.told and self._is_back(sample.value):
            back, self.told = self.told, ""
            return self._event("threshold_end", back, sample.at, now)
        return self._ripe(sample.at, now)

    def wait(self, now: Instant) -> Event | None:
        if self._last is None or now.boot > self._last.at + self._fresh:
            return None
        return self._ripe(now.boot, now)

    def _ripe(self, at: float, now: Instant) -> Event | None:
        """Tell of a crossing that has lasted long enough by *at*; stamp it with the moment when it had."""
        ripe = self._since + self._settings.lasting
        if self._beyond in ("", self.told) or at < ripe:
            return None
        self.told = self._beyond
        return self._event("threshold", self._beyond, ripe, now)

    def _side(self, value: float) -> Side:
        settings = self._settings
        if settings.above is not None and value > settings.above:
            return "above"
        if settings.below is not None and value < settings.below:
            return "below"
        return ""

    def _is_back(self, value: float) -> bool:
        settings = self._settings
        if self.told == "above":
            return settings.above is None or value <= settings.above - settings.hysteresis
        return settings.below is None or value >= settings.below + settings.hysteresis

    def _event(self, kind: str, side: Side, at: float, now: Instant) -> Event:
        assert self._last is not None
        return Event(
            self._point.name,
            kind,
            self._settings.severity,
            at + now.offset,
            self._last.value,
            self._point.unit,
            self._text(kind, side),
            at,
            now.synced,
        )

    def _text(self, kind: str, side: Side) -> str:
        settings = self._settings
        limit = settings.above if side == "above" else settings.below
        said = settings.text or f"{self._point.label or self._point.name} {side} {limit:g} {self._point.unit}"
        return said if kind == "threshold" else f"no longer: {said}"
