"""Tells when a point changes its state: an event with both texts, beside the samples that pass through.

It judges good samples of points of kind ``state`` only. However fast a state flickers, a point tells at most
one event in each ``pause``: what it is by then, not what it was in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, convert, field

from agent.core.clock import Instant
from agent.core.duration import Duration
from agent.core.point import Kind, Point
from agent.core.record import Event
from agent.core.sample import Quality, Sample
from agent.core.settings import Settings
from agent.core.step import Item, Scene
from pipelines._lifetime import lifetime
from pipelines._personal import may_be_kept
from pipelines._selection import fits, select

Severity = Literal["info", "warning", "critical"]


class Transition(Settings):
    """Tells when a point changes its state."""

    point: Annotated[
        str, Meta(description="Points it is for: a name, or a pattern with *; fan_state, ahu-1.*.")
    ] = "*"
    states: Annotated[
        tuple[str, ...],
        Meta(description="Only changes into or out of these are told, by text or number; none: all changes."),
    ] = ()
    severity: Annotated[Severity, Meta(description="How much a state matters to who reads it.")] = "info"
    severities: Annotated[
        dict[str, Severity],
        Meta(description='Severity of single states by text or number, such as { fault = "critical" }.'),
    ] = field(default_factory=dict)
    lasting: Annotated[Duration, Meta(description="How long a state must last before it is told.")] = (
        Duration(0)
    )
    pause: Annotated[
        Duration,
        Meta(description="Shortest time between two events of a point.", extra={"least": "1s"}),
    ] = Duration(60)

    def points(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        """Give *points* unchanged; raise ValueError if none has states, or none one that is named here."""
        chosen = _chosen(points, self.point)
        for said in (*self.states, *self.severities):
            if not any(_named(point, said) for point in chosen):
                known = ", ".join(text for point in chosen for _, text in point.states) or "numbers alone"
                raise ValueError(f'no point here has a state "{said}"; known: {known}')
        return points

    def start(self, scene: Scene) -> Watching:
        """Begin to work."""
        saved = {} if scene.saved is None else convert(scene.saved, dict[str, float])
        watches = {
            point.name: _Watch(self, point, saved.get(point.name))
            for point in _chosen(scene.points, self.point)
        }
        return Watching(watches, scene.now)


def _chosen(points: tuple[Point, ...], pattern: str) -> tuple[Point, ...]:
    """Give the points of kind state that *pattern* means; raise ValueError if there is none."""
    found = tuple(point for point in select(points, pattern) if point.kind is Kind.STATE)
    if not found:
        first = next(point for point in points if fits(point.name, pattern))
        raise ValueError(f'"{first.name}" is a {first.kind}: only points of kind state change their state')
    return found


def _named(point: Point, said: str) -> bool:
    """Say whether *said* is a state of *point*; of one without texts any number may be."""
    number = said.removeprefix("-").isdecimal()
    if not point.states:
        return number
    return any(said in (text, str(state)) for state, text in point.states)


class Watching:
    """In which state each point is, and which it told last."""

    def __init__(self, watches: dict[str, _Watch], now: Instant) -> None:
        self._watches = watches
        self._now = now

    def feed(self, item: Item) -> Iterable[Item]:
        """Give the item, followed by an event if it tells of a change."""
        if item.__class__ is not Sample:
            return (item,)
        watch = self._watches.get(item.point)
        if watch is None:
            return (item,)
        event = watch.take(item, self._now)
        return (item,) if event is None else (item, event)

    def tick(self, now: Instant) -> Iterator[Item]:
        """Give an event for each point whose new state has lasted, or whose pause has ended, by now."""
        self._now = now
        for watch in self._watches.values():
            if (event := watch.wait(now)) is not None:
                yield event

    def save(self, *, stopping: bool) -> Any:  # noqa: ANN401 - plain JSON values
        """Give the states that are known to who reads, so that a start tells what changed meanwhile, once."""
        known = {name: one.told for name, one in self._watches.items() if one.told is not None and one.kept}
        return known or None


class _Watch:
    """One point: the state that was told last (or seen first), and the one that it shows since when."""

    def __init__(self, settings: Transition, point: Point, told: float | None) -> None:
        self._settings = settings
        self._point = point
        self.told = told
        self.kept = may_be_kept(point)
        self._fresh = lifetime(point)
        self._shown: float | None = None
        self._since = 0.0
        self._seen = 0.0
        self._free = 0.0

    def take(self, sample: Sample, now: Instant) -> Event | None:
        if sample.quality is not Quality.GOOD or sample.value is None:
            if sample.quality is Quality.BAD:
                self._shown = None
            return None
        self._seen = sample.at
        if sample.value != self._shown:
            self._shown, self._since = sample.value, sample.at
        return self._ripe(sample.at, now)

    def wait(self, now: Instant) -> Event | None:
        if self._shown is None or now.boot > self._seen + self._fresh:
            return None
        return self._ripe(now.boot, now)

    def _ripe(self, at: float, now: Instant) -> Event | None:
        """Tell of the state that is shown, if it is news and both its time and the pause are over by *at*."""
        assert self._shown is not None
        ripe = max(self._since + self._settings.lasting, self._free)
        if self._shown == self.told or at < ripe:
            return None
        before, self.told = self.told, self._shown
        if not self._matters(before, self._shown):
            return None
        self._free = at + self._settings.pause
        return self._event(before, self._since + self._settings.lasting, now)

    def _matters(self, before: float | None, state: float) -> bool:
        if (
            before is None
        ):  # seen for the first time: no change, but perhaps a trouble that was there before us
            return self._severity(state) != "info" and self._wanted(state)
        return self._wanted(state) or self._wanted(before)

    def _wanted(self, state: float) -> bool:
        return not self._settings.states or any(one in self._settings.states for one in self._names(state))

    def _severity(self, state: float) -> Severity:
        own = (self._settings.severities.get(one) for one in self._names(state))
        return next((one for one in own if one is not None), self._settings.severity)

    def _names(self, state: float) -> tuple[str, str]:
        return self._point.text(state), f"{state:g}"

    def _event(self, before: float | None, at: float, now: Instant) -> Event:
        state = self.told
        assert state is not None
        was = "" if before is None else f" (was {self._point.text(before)})"
        return Event(
            self._point.name,
            "transition",
            self._severity(state),
            at + now.offset,
            state,
            self._point.unit,
            f"{self._point.label or self._point.name}: {self._point.text(state)}{was}",
            at,
            now.synced,
        )
