"""Feeds one stage by hand, for tests of single steps."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from agent.core.clock import Instant
from agent.core.point import Point
from agent.core.record import Event
from agent.core.sample import Quality, Sample
from agent.core.step import Item, Scene, Stage, Step
from tests.pipelines.timeline import EIGHT


class Hand:
    """A stage that is fed at chosen seconds, with what came out of it last."""

    def __init__(self, step: Step, *points: Point, saved: object = None) -> None:
        self.points = step.points(points)
        self.stage: Stage = step.start(
            Scene(points=points, zone=ZoneInfo("Europe/Helsinki"), now=instant(0), saved=saved)
        )

    def feed(
        self,
        t: float,
        value: float | None,
        point: str = "a.b",
        *,
        quality: Quality = Quality.GOOD,
        why: str = "",
    ) -> list[Item]:
        """Feed one sample taken at second *t*; a value of None is bad."""
        quality = Quality.BAD if value is None else quality
        return list(self.stage.feed(Sample(point, value, t, quality, why)))

    def one(self, t: float, value: float | None, point: str = "a.b") -> Sample:
        """Feed one good sample and give the one that must come out."""
        (item,) = self.feed(t, value, point)
        assert isinstance(item, Sample)
        return item

    def tick(self, t: float) -> list[Item]:
        """Tick at second *t*."""
        return list(self.stage.tick(instant(t)))

    def events(self, t: float, value: float | None, point: str = "a.b") -> list[Event]:
        """Feed one sample and give the events that came of it."""
        return [item for item in self.feed(t, value, point) if isinstance(item, Event)]


def instant(t: float) -> Instant:
    """Give the moment *t* seconds after eight."""
    return Instant(t, EIGHT + t)
