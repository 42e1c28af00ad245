"""Doubts samples that cannot be true: out of range, too steep, or stuck.

It never changes a value and never drops a sample: it lowers the quality and says why. A value out of range
is bad. One that is too steep or stuck is as bad as the setting ``mark`` says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from msgspec import Meta

from agent.core.clock import Instant
from agent.core.duration import Duration
from agent.core.point import Kind, Point
from agent.core.sample import Meter, Quality, Sample
from agent.core.settings import Settings
from agent.core.step import Item, Scene
from agent.core.units import commensurable, convert, convert_difference, dimension
from pipelines._selection import select


class Validate(Settings):
    """Lowers the quality of samples that cannot be true, and says why."""

    point: Annotated[
        str, Meta(description="Points it is for: a name, or a pattern with *; active_power, ahu-1.*.")
    ] = "*"
    minimum: Annotated[
        float | None,
        Meta(description="A lower value is bad (out_of_range), in the point's unit; else the point's own."),
    ] = None
    maximum: Annotated[
        float | None,
        Meta(description="A higher value is bad (out_of_range), in the point's unit; else the point's own."),
    ] = None
    slope: Annotated[
        str,
        Meta(
            description="Fastest change that can be true, such as 50 kW/s; for points that measure the same."
        ),
    ] = ""
    stuck: Annotated[
        Duration,
        Meta(description="A gauge that shows the very same value for longer is stuck; 0s: never."),
    ] = Duration(0)
    mark: Annotated[
        Literal["uncertain", "bad"],
        Meta(description="Quality of a sample that is too steep or stuck; a bad one is left out of figures."),
    ] = "uncertain"

    def __post_init__(self) -> None:
        """Raise ValueError for a slope that is none or limits that exclude each other."""
        if self.slope:
            _slope(self.slope)
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is above maximum: no value could be true")

    def points(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        """Give *points* unchanged; raise ValueError if the settings suit none of them."""
        meant = select(points, self.point)
        if self.slope and all(_limit(self.slope, point) is None for point in meant):
            measured = dimension(_slope(self.slope)[1])
            raise ValueError(
                f'slope "{self.slope}" is about {measured}, and none of these points measures it'
            )
        return points

    def start(self, scene: Scene) -> Checking:
        """Begin to work."""
        mark = Quality(self.mark)
        checks = {
            point.name: _Check(
                low=point.minimum if self.minimum is None else self.minimum,
                high=point.maximum if self.maximum is None else self.maximum,
                limit=_limit(self.slope, point) if self.slope else None,
                stuck=float(self.stuck) if point.kind is Kind.GAUGE else 0.0,
                mark=mark,
            )
            for point in select(scene.points, self.point)
        }
        return Checking({name: check for name, check in checks.items() if check.needed})


class Checking:
    """The checks of each point."""

    def __init__(self, checks: dict[str, _Check]) -> None:
        self._checks = checks

    def feed(self, item: Item) -> Iterable[Item]:
        """Give the sample as it is, or with a lower quality; everything else passes."""
        if item.__class__ is not Sample:
            if isinstance(item, Meter) and (check := self._checks.get(item.point)) is not None:
                check.meet(item)
            return (item,)
        check = self._checks.get(item.point)
        if check is None or item.value is None or item.quality is Quality.BAD:
            return (item,)
        return (check.judge(item, item.value),)

    def tick(self, now: Instant) -> Iterable[Item]:
        """Give nothing: time alone changes no quality."""
        return ()


class _Check:
    """What is known of one point so far."""

    def __init__(
        self, *, low: float | None, high: float | None, limit: float | None, stuck: float, mark: Quality
    ) -> None:
        self._low, self._high, self._limit, self._stuck = low, high, limit, stuck
        self._mark = mark
        self._sound: tuple[float, float] | None = None  # value and stamp of the last sample not too steep
        self._same: tuple[float, float] | None = None  # value, and since when it has been the same
        self._meter = ""

    @property
    def needed(self) -> bool:
        """Whether there is anything to check."""
        return self._low is not None or self._high is not None or self._limit is not None or self._stuck > 0

    def meet(self, mark: Meter) -> None:
        """Compare nothing with the readings of another meter."""
        if mark.new or self._meter not in ("", mark.meter):
            self._sound = self._same = None
        self._meter = mark.meter

    def judge(self, sample: Sample, value: float) -> Sample:
        if (self._low is not None and value < self._low) or (self._high is not None and value > self._high):
            return _lowered(sample, Quality.BAD, "out_of_range")
        if self._limit is not None and self._steep(value, sample.at):
            return _lowered(sample, self._mark, "slope")
        if self._stuck > 0 and self._is_stuck(value, sample.at):
            return _lowered(sample, self._mark, "stuck")
        return sample

    def _steep(self, value: float, at: float) -> bool:
        # measured from the last sample that was believed, so a spike is refused on its way up only, and a
        # lasting change is believed as soon as enough time has passed for it
        assert self._limit is not None
        if (
            self._sound is not None
            and abs(value - self._sound[0]) > self._limit * (at - self._sound[1]) + _HAIR
        ):
            return True
        self._sound = (value, at)
        return False

    def _is_stuck(self, value: float, at: float) -> bool:
        if self._same is None or self._same[0] != value:
            self._same = (value, at)
        return at - self._same[1] > self._stuck


_HAIR: Final = 1e-9  # floats that should be equal


def _lowered(sample: Sample, quality: Quality, why: str) -> Sample:
    return Sample(sample.point, sample.value, sample.at, quality, why)


def _slope(text: str) -> tuple[float, str, str]:
    """Read ``50 kW/s``: the number, its unit, and the unit of time; raise ValueError if it is not that."""
    number, _, unit = text.strip().partition(" ")
    change, _, time = unit.strip().rpartition("/")
    try:
        value = float(number)
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if not value > 0 or not change or not commensurable(time, "s"):
        raise ValueError(_EXPECTED)
    dimension(change)
    return value, change, time


_EXPECTED: Final = 'expected a change by time such as "50 kW/s" or "2 Cel/min"'


def _limit(text: str, point: Point) -> float | None:
    """Give the fastest change per second in the point's unit; None if the point measures something else."""
    value, change, time = _slope(text)
    if not commensurable(change, point.unit):
        return None
    return convert_difference(value, change, point.unit) / convert(1.0, time, "s")
