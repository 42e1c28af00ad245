"""The contract of a pipeline step.

Steps do no input or output and never wait: items go in, items come out. A step is a frozen struct of
settings; ``start`` gives the stage that holds its running state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from agent.core.clock import Instant
from agent.core.point import Point
from agent.core.record import Record
from agent.core.sample import Sample

Item = Sample | Record


class Scene(Struct, frozen=True, kw_only=True):
    """What a stage may know when it starts.

    ``points`` are those that reach it, ``zone`` the site's time zone, ``now`` the moment of the start,
    ``saved`` what an earlier stage of the same step gave from ``save`` (None: nothing).
    """

    points: tuple[Point, ...]
    zone: tzinfo
    now: Instant
    saved: Any = None


class Stage(Protocol):
    """One step at work."""

    def feed(self, item: Item) -> Iterable[Item]:
        """Take one item and give what is ready because of it."""
        ...

    def tick(self, now: Instant) -> Iterable[Item]:
        """Give what is ready because time has passed; called about once a second."""
        ...


class SavingStage(Stage, Protocol):
    """A stage whose memory outlives the process."""

    def save(self, *, stopping: bool) -> Any:  # noqa: ANN401 - plain JSON values, the stage's own affair
        """Give plain JSON values from which a later start can go on; None when there is nothing.

        Asked with each published window (``stopping=False``: only what a crash must not lose, such as
        counter readings) and at a clean stop (``stopping=True``: open windows of non-personal points too).
        """
        ...


class Step(Protocol):
    """A step as configured."""

    def points(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        """Give the points that leave this step when *points* enter it; raise ValueError if it cannot work."""
        ...

    def start(self, scene: Scene) -> Stage:
        """Begin to work."""
        ...


@runtime_checkable
class CanWeigh(Protocol):
    """A step that knows how far one passage can change what leaves it; noise is measured by that."""

    def weigh(self, weights: Mapping[str, int]) -> Mapping[str, int]:
        """Give the greatest change of each point that leaves, from that of each that enters.

        Raise ValueError if it has no bound.
        """
        ...
