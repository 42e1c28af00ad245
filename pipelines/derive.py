"""Computes a new point out of others: a difference of temperatures, a coefficient of performance.

Values of one round of polling belong together: a result is given when every input has been updated, or at
the next tick. An input that is bad or too old makes the result bad; it never becomes a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf, isfinite
from typing import Annotated, Final, Literal

from msgspec import Meta

from agent.core.clock import Instant
from agent.core.point import Kind, Point, Scope
from agent.core.sample import Meter, Quality, Sample
from agent.core.settings import Settings
from agent.core.step import Item, Scene
from agent.core.units import UNITS, nearest
from pipelines._lifetime import lifetime
from pipelines._selection import select
from pipelines.arithmetic.expression import Expression

_STRICTNESS: Final = (Scope.PUBLIC, Scope.BUILDING, Scope.WORKSPACE, Scope.HOUSEHOLD)


class Derive(Settings):
    """Computes a new point out of others."""

    name: Annotated[
        str,
        Meta(
            description="Name of the new point: lift, or ahu-1.lift if its inputs are of several devices.",
            pattern=r"^(?:[a-z0-9][a-z0-9.-]*\.)?[a-z0-9][a-z0-9_]{0,62}$",
        ),
    ]
    expression: Annotated[
        str,
        Meta(
            description="Arithmetic over points: numbers, + - * / ( ), min, max, abs; a name that is no plain"
            " word stands in quotes: 'ahu-1.supply' - 'ahu-2.supply'.",
            min_length=1,
        ),
    ]
    unit: Annotated[str, Meta(description="Unit of the result as a UCUM code: kW, Cel, 1.")] = "1"
    kind: Annotated[
        Kind, Meta(description="How results combine over time: gauge, counter, count or state.")
    ] = Kind.GAUGE
    quantity: Annotated[str, Meta(description="What the result is: power, efficiency.")] = ""
    resolution: Annotated[
        float, Meta(description="Step that published figures are rounded to; 0: none.", ge=0)
    ] = 0.0
    inputs: Annotated[
        Literal["keep", "drop"],
        Meta(description="Whether the points in the expression go on beside the result."),
    ] = "keep"

    def __post_init__(self) -> None:
        """Raise ValueError for an expression or a unit that is none."""
        Expression(self.expression)
        if self.unit not in UNITS:
            hint = "".join(f'; did you mean "{one}"?' for one in nearest(self.unit, 1))
            raise ValueError(f'no unit is called "{self.unit}"{hint}')

    def points(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        """Give *points* and the new one; raise ValueError if a name is unknown, ambiguous or taken."""
        used = tuple(_named(Expression(self.expression), points).values())
        new = self._point(used)
        if any(point.name == new.name for point in points):
            raise ValueError(f'there is a point called "{new.name}" already')
        kept = points if self.inputs == "keep" else tuple(point for point in points if point not in used)
        return (*kept, new)

    def start(self, scene: Scene) -> Deriving:
        """Begin to work."""
        expression = Expression(self.expression)
        named = _named(expression, scene.points)
        new = self._point(tuple(named.values()))
        return Deriving(expression, named, new.name, keep=self.inputs == "keep")

    def _point(self, used: tuple[Point, ...]) -> Point:
        """Describe the new point: it tells about people if any of its inputs does."""
        devices = sorted({point.name.rpartition(".")[0] for point in used})
        if "." not in self.name and len(devices) > 1:
            raise ValueError(
                f"the points are of {' and '.join(devices)}: name the new one after one of them,"
                f' such as "{devices[0]}.{self.name}"'
            )
        return Point(
            name=self.name if "." in self.name else f"{devices[0]}.{self.name}",
            unit=self.unit,
            kind=self.kind,
            quantity=self.quantity,
            scope=max((point.scope for point in used), key=_STRICTNESS.index),
            resolution=self.resolution,
            every=max(point.every for point in used),
            personal=any(point.personal for point in used),
        )


class Deriving:
    """The latest sample of each input."""

    def __init__(self, expression: Expression, named: dict[str, Point], name: str, *, keep: bool) -> None:
        self._compute = expression.compute
        self._written = {written: point.name for written, point in named.items()}
        self._fresh = {point.name: lifetime(point) for point in named.values()}
        self._name = name
        self._keep = keep
        self._latest: dict[str, Sample] = {}
        self._updated: set[str] = set()
        self._meters: dict[str, str] = {}
        self._news = self._new = False  # whether a result must say whose it is, and whether that is sure

    def feed(self, item: Item) -> Iterable[Item]:
        """Give the item if inputs are kept, and the result when it is due."""
        if item.__class__ is not Sample or item.point not in self._fresh:
            return self._with_meter(item) if isinstance(item, Meter) else (item,)
        out: list[Item] = [item] if self._keep else []
        if item.point in self._updated:
            # a second round began before every input was heard in the first
            out += self._result()
        self._latest[item.point] = item
        self._updated.add(item.point)
        if len(self._updated) == len(self._fresh):
            out += self._result()
        return out

    def tick(self, now: Instant) -> Iterable[Item]:
        """Give the result of inputs that were updated alone."""
        return tuple(self._result()) if self._updated else ()

    def _with_meter(self, mark: Meter) -> Iterable[Item]:
        """Note whose the coming values of an input are: results follow only when there is one of them."""
        out: list[Item] = []
        if mark.point in self._fresh:
            out += self._result() if self._updated else ()
            self._latest.pop(mark.point, None)
            self._news = self._news or mark.new or self._meters.get(mark.point) != mark.meter
            self._new = self._new or mark.new
            self._meters[mark.point] = mark.meter
        return (*out, mark) if self._keep or mark.point not in self._fresh else out

    def _result(self) -> Iterator[Sample]:
        at = max(self._latest[name].at for name in self._updated)
        self._updated.clear()
        if len(self._latest) < len(self._fresh):
            return
        if self._news:
            meters = "-".join(self._meters[name] for name in sorted(self._meters))
            yield Meter(self._name, None, at, meter=meters, new=self._new)
            self._news = self._new = False
        samples = self._latest.values()
        for sample in samples:
            if sample.value is None or sample.quality is Quality.BAD:
                yield Sample(self._name, None, at, Quality.BAD, sample.why or "bad")
                return
            if at - sample.at > self._fresh[sample.point]:
                yield Sample(self._name, None, at, Quality.BAD, "stale")
                return
        values = {one.point: one.value for one in samples if one.value is not None}
        try:
            value = self._compute({written: values[name] for written, name in self._written.items()})
        except ArithmeticError:
            value = inf
        if not isfinite(value):
            yield Sample(self._name, None, at, Quality.BAD, "not_finite")
            return
        doubt = next((one for one in samples if one.quality is Quality.UNCERTAIN), None)
        quality = Quality.GOOD if doubt is None else Quality.UNCERTAIN
        yield Sample(self._name, value, at, quality, "" if doubt is None else doubt.why)


def _named(expression: Expression, points: tuple[Point, ...]) -> dict[str, Point]:
    """Find the point of each name in *expression*; raise ValueError with the column if it is not just one."""
    named: dict[str, Point] = {}
    for name in expression.names:
        where = f'expression "{expression.text}", column {expression.column(name)}'
        exact = [point for point in points if point.name == name]
        try:
            found = exact or select(points, name)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if len(found) > 1:
            full = " or ".join(f"'{point.name}'" for point in found)
            raise ValueError(f'{where}: "{name}" may be {full}')
        named[name] = found[0]
    return named
