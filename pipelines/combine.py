"""Makes one point of many: the sum or the mean of their figures, window by window.

It stands after the window, where figures belong together. What each device gave goes along for the gate,
which decides whether enough of them stand behind the whole, and takes it out. It refuses points that do not
measure the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta

from agent.core.clock import Instant
from agent.core.point import Point, Scope
from agent.core.record import Aggregate, State
from agent.core.settings import Settings
from agent.core.step import Item, Scene

_STRICTNESS: Final = (Scope.PUBLIC, Scope.BUILDING, Scope.WORKSPACE, Scope.HOUSEHOLD)
_Values = tuple[float | None, ...]


class Combine(Settings, kw_only=True):
    """Makes one point of many, window by window."""

    name: Annotated[
        str,
        Meta(
            description="Name of the new point, such as flats.import_energy.",
            pattern=r"^[a-z0-9][a-z0-9.-]*\.[a-z0-9][a-z0-9_]{0,62}$",
        ),
    ]
    figure: Annotated[
        Literal["sum", "mean"], Meta(description="The sum over all devices, or the mean of a device.")
    ] = "sum"
    quantity: Annotated[str, Meta(description="What it is: active_power; else as the points.")] = ""
    label: Annotated[str, Meta(description="Name for people.")] = ""

    def points(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        """Give the new point alone; raise ValueError if the others are too few or do not measure the same."""
        if len(points) < 2:
            raise ValueError("one point alone cannot be combined")
        first = points[0]
        for other in points[1:]:
            for what, mine, its in (("unit", first.unit, other.unit), ("kind", first.kind, other.kind)):
                if mine != its:
                    raise ValueError(
                        f'only points of one {what} can be combined: "{first.name}" is in {mine},'
                        f' "{other.name}" in {its}'
                    )
        quantities = {point.quantity for point in points}
        return (
            Point(
                name=self.name,
                unit=first.unit,
                kind=first.kind,
                quantity=self.quantity or (first.quantity if len(quantities) == 1 else ""),
                scope=max((point.scope for point in points), key=_STRICTNESS.index),
                resolution=max(point.resolution for point in points) if self.figure == "sum" else 0.0,
                every=max(point.every for point in points),
                label=self.label,
                personal=any(point.personal for point in points),
            ),
        )

    def weigh(self, weights: Mapping[str, int]) -> Mapping[str, int]:
        """Add up, since one passage may touch every point; raise ValueError for a mean."""
        if self.figure == "mean":
            raise ValueError('a mean of counts cannot be told with noise; write figure = "sum"')
        return {self.name: sum(weights.values())}

    def start(self, scene: Scene) -> Combining:
        """Begin to work."""
        return Combining(self.name, self.figure, scene.points)


class Combining:
    """The figures of one window, as they come; all points of a window come at once."""

    def __init__(self, name: str, figure: Literal["sum", "mean"], points: Iterable[Point]) -> None:
        self._name = name
        self._figure = figure
        self._sources = {point.name: point.source for point in points}
        self._window: dict[str, Aggregate] = {}

    def feed(self, item: Item) -> Iterable[Item]:
        """Give the new figure with the last of its window; events pass, and nothing else does."""
        if not isinstance(item, Aggregate):
            return (item,) if item.point not in self._sources else ()
        if item.point not in self._sources:
            return ()
        early = tuple(self._flush()) if self._is_of_another_window(item) else ()
        self._window[item.point] = item
        return (*early, *self._flush()) if len(self._window) == len(self._sources) else early

    def tick(self, now: Instant) -> Iterable[Item]:
        """Give what did not become complete: a window closes as a whole or not at all."""
        return tuple(self._flush())

    def _is_of_another_window(self, item: Aggregate) -> bool:
        return any(one.start != item.start for one in self._window.values())

    def _flush(self) -> Iterator[Aggregate]:
        if self._window:
            figures, self._window = list(self._window.values()), {}
            yield self._combined(figures)

    def _combined(self, figures: Sequence[Aggregate]) -> Aggregate:
        by_source: dict[str, list[Aggregate]] = {}
        for one in figures:
            by_source.setdefault(self._sources[one.point], []).append(one)
        width = len(figures[0].values)
        parts = tuple(_added([one.values for one in own], width) for own in by_source.values())
        state, why = _state(figures)
        first = figures[0]
        return Aggregate(
            self._name,
            first.start,
            first.width,
            sum(one.n or 0 for one in figures),
            self._values(parts, width),
            state,
            round(sum(one.coverage for one in figures) / len(self._sources), 4),
            why,
            first.boot,
            first.synced,
            parts,
        )

    def _values(self, parts: Sequence[_Values], width: int) -> _Values:
        sums = _added(parts, width)
        if self._figure == "sum":
            return sums
        heard = [sum(part[place] is not None for part in parts) for place in range(width)]
        return tuple(None if one is None else one / n for one, n in zip(sums, heard, strict=True))


def _added(rows: Sequence[_Values], width: int) -> _Values:
    """Add up by place; None where no row has a value."""
    found: list[float | None] = []
    for place in range(width):
        known = [value for row in rows if (value := row[place]) is not None]
        found.append(sum(known) if known else None)
    return tuple(found)


def _state(figures: Sequence[Aggregate]) -> tuple[State, str]:
    """Judge the whole by its parts: what is missing makes it partial, what is doubtful uncertain."""
    states = {one.state for one in figures}
    why = next((one.why for one in figures if one.why), "")
    if states == {State.OK}:
        return State.OK, ""
    if states == {State.NO_DATA}:
        return State.NO_DATA, why
    return (State.UNCERTAIN if State.UNCERTAIN in states else State.PARTIAL), why
