"""What a camera counts: lines, zones and bays as drawn over its picture, and the counters they have.

Positions are shares of the picture's width and height, from the upper left corner, so that another
resolution of the same view changes nothing. Left and right are those of somebody who walks from ``from``
to ``to`` over the ground that the picture shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal, get_args

from msgspec import Meta, Struct, field

from agent.core.point import Kind
from agent.core.settings import Name, Settings

Class = Literal["person", "bicycle", "car", "motorcycle", "bus", "truck"]
CLASSES: Final[tuple[Class, ...]] = get_args(Class)
VEHICLES: Final[tuple[Class, ...]] = ("car", "motorcycle", "bus", "truck")

Share = Annotated[float, Meta(ge=0, le=1)]
Spot = tuple[Share, Share]
_SAME: Final = 1e-6
_EDGE: Final = 0.08  # of the picture

ODD: Final = 0.02
"""By which the aspect of a stream may differ from that of the still that was drawn over."""


class Line(Settings):
    """A line over the ground; who crosses it is counted, in each direction."""

    start: Annotated[
        Spot,
        Meta(description="Where it begins: shares of the picture's width and height, from the top left."),
    ] = field(name="from")
    end: Annotated[Spot, Meta(description="Where it ends.")] = field(name="to")
    classes: Annotated[tuple[Class, ...], Meta(description="Which kinds are counted.", min_length=1)] = (
        "person",
    )
    label: Annotated[str, Meta(description="Name for people.")] = ""

    def __post_init__(self) -> None:
        if abs(self.start[0] - self.end[0]) + abs(self.start[1] - self.end[1]) < _SAME:
            raise ValueError("a line needs two different ends")

    @property
    def at_edge(self) -> bool:
        """Say whether it runs so close along the picture's edge that nobody is seen on both sides of it."""
        return any(
            max(one, other) < _EDGE or min(one, other) > 1 - _EDGE
            for one, other in zip(self.start, self.end, strict=True)
        )


class Zone(Settings):
    """A part of the ground; who is in it is counted, and who enters and leaves it."""

    corners: Annotated[
        tuple[Spot, ...], Meta(description="Its corners in order: shares of width and height.", min_length=3)
    ]
    classes: Annotated[tuple[Class, ...], Meta(description="Which kinds are counted.", min_length=1)] = (
        "person",
    )
    label: Annotated[str, Meta(description="Name for people.")] = ""

    def __post_init__(self) -> None:
        _enclosed(self.corners)


class Bay(Settings):
    """A parking bay: the share of time in which a vehicle stood in it is measured."""

    corners: Annotated[
        tuple[Spot, ...], Meta(description="Its corners in order: shares of width and height.", min_length=3)
    ]
    label: Annotated[str, Meta(description="Name for people.")] = ""

    def __post_init__(self) -> None:
        _enclosed(self.corners)


class Counter(Struct, frozen=True):
    """One number that is counted: the line, zone or bay, the name within it, and how its values combine."""

    place: str
    name: str
    kind: Kind


class Scene(Settings):
    """All that is drawn over one camera's picture."""

    lines: Annotated[dict[Name, Line], Meta(description="Lines by name.")] = field(default_factory=dict)
    zones: Annotated[dict[Name, Zone], Meta(description="Zones by name.")] = field(default_factory=dict)
    bays: Annotated[dict[Name, Bay], Meta(description="Parking bays by name.")] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [*self.lines, *self.zones, *self.bays]
        twice = sorted({one for one in names if names.count(one) > 1})
        if twice:
            raise ValueError(f"a line, a zone and a bay must not share a name: {', '.join(twice)}")

    def counters(self) -> tuple[Counter, ...]:
        """List the counters; both sides of the socket number them by their place in this list."""
        return tuple(self._counters())

    def _counters(self) -> Iterator[Counter]:
        for name, line in sorted(self.lines.items()):
            for one in _in_order(line.classes):
                yield Counter(name, f"{one}_to_left", Kind.COUNT)
                yield Counter(name, f"{one}_to_right", Kind.COUNT)
        for name, zone in sorted(self.zones.items()):
            for one in _in_order(zone.classes):
                yield Counter(name, f"{one}_entries", Kind.COUNT)
                yield Counter(name, f"{one}_exits", Kind.COUNT)
                yield Counter(name, f"{one}_mean", Kind.GAUGE)
                yield Counter(name, f"{one}_max", Kind.GAUGE)
        for name in sorted(self.bays):
            yield Counter(name, "occupied", Kind.GAUGE)


def is_odd(picture: tuple[int, int], width: int, height: int) -> bool:
    """Say whether a picture has another shape than *picture*, which was drawn over."""
    return abs(width / height * picture[1] / picture[0] - 1) > ODD


def _in_order(classes: tuple[Class, ...]) -> list[Class]:
    return [one for one in CLASSES if one in classes]


def _enclosed(corners: tuple[Spot, ...]) -> None:
    """Refuse corners that enclose nothing, or whose outline crosses itself."""
    around = list(zip(corners, (*corners[1:], corners[0]), strict=True))
    for number, one in enumerate(around):
        # neighbours share a corner and cannot cross
        for other in around[number + 2 : len(around) - (number == 0)]:
            if _cross(one, other):
                raise ValueError("the outline crosses itself: give the corners in order")
    area = sum(one[0] * other[1] - other[0] * one[1] for one, other in around) / 2
    if abs(area) < _SAME:
        raise ValueError("the corners enclose nothing")


def _cross(one: tuple[Spot, Spot], other: tuple[Spot, Spot]) -> bool:
    return (
        _turn(*one, other[0]) * _turn(*one, other[1]) < 0
        and _turn(*other, one[0]) * _turn(*other, one[1]) < 0
    )


def _turn(start: Spot, end: Spot, spot: Spot) -> float:
    return (end[0] - start[0]) * (spot[1] - start[1]) - (end[1] - start[1]) * (spot[0] - start[0])
