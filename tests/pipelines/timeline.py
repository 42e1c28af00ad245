"""Plays a pipeline through time: samples, a tick every second, clocks that are set, stops and crashes.

Times are seconds since the start of the play. No real time passes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from agent.core.clock import Instant
from agent.core.point import Point
from agent.core.product import Product
from agent.core.record import Aggregate, Event, Record
from agent.core.sample import Meter, Quality, Sample
from agent.core.step import Step
from agent.pipeline import Pipeline
from pipelines.window import Window

HELSINKI = ZoneInfo("Europe/Helsinki")
EIGHT = datetime(2026, 11, 21, 20, tzinfo=UTC).timestamp()
"""Eight in the evening, UTC: the start of an hour and of nothing longer."""


class Timeline:
    """A pipeline at work, and every record it gave with the second at which it gave it."""

    def __init__(
        self,
        points: tuple[Point, ...],
        steps: tuple[Step, ...],
        *,
        start: float = EIGHT,
        zone: tzinfo = HELSINKI,
    ) -> None:
        window = next((step for step in steps if isinstance(step, Window)), None)
        self.product = Product(
            id="product",
            points=points,
            published=points,
            steps=steps,
            window=0,
            span=window.length if window else "",
            statistics=window.statistics if window else (),
        )
        self.zone = zone
        self.boot = 1000.0
        self.offset = start - self.boot
        self.synced = True
        self.t = 0.0
        self.saved: object | None = None
        self.late = 0
        self.records: list[tuple[float, Record]] = []
        self.pipeline = self._start()

    @property
    def aggregates(self) -> list[Aggregate]:
        """The aggregates so far."""
        return [record for _, record in self.records if isinstance(record, Aggregate)]

    @property
    def events(self) -> list[Event]:
        """The events so far."""
        return [record for _, record in self.records if isinstance(record, Event)]

    def of(self, point: str) -> list[Aggregate]:
        """Give the aggregates of one point so far."""
        return [one for one in self.aggregates if one.point == point]

    def feed(
        self,
        point: str,
        value: float | None,
        *,
        quality: Quality = Quality.GOOD,
        why: str = "",
        ago: float = 0.0,
    ) -> None:
        """Feed a sample that was taken *ago* seconds before now."""
        quality = Quality.BAD if value is None else quality
        sample = Sample(point, value, self.boot + self.t - ago, quality, why)
        self._note(self.pipeline.feed([sample]))

    def meter(self, point: str, meter: str, *, new: bool = False) -> None:
        """Feed word of which meter the samples to come are of."""
        mark = Meter(point, None, self.boot + self.t, meter=meter, new=new)
        self._note(self.pipeline.feed([mark]))

    def until(self, t: float) -> None:
        """Tick on every whole second up to and including *t*."""
        while self.t < t:
            self.t = min(t, self.t // 1 + 1)
            if self.t == self.t // 1:
                self.tick()

    def tick(self) -> None:
        """Tick now, and save as the daemon does: with each published window."""
        ready = self.pipeline.tick(self.now())
        self._note(ready)
        if ready:
            self._save(stopping=False)

    def now(self) -> Instant:
        """Give this moment."""
        boot = self.boot + self.t
        return Instant(boot, boot + self.offset, self.synced)

    def set_clock(self, by: float) -> None:
        """Set the time of day forward or back."""
        self.offset += by

    def stop(self) -> None:
        """Stop cleanly and start at once."""
        self._save(stopping=True)
        self._restart()

    def crash(self) -> None:
        """Die, and start at once from what was saved with the last published window."""
        self._restart()

    def reboot(self, *, boot: float = 10.0) -> None:
        """Begin another boot: the boot clock starts again at *boot* seconds, the time of day goes on."""
        now = self.now()
        self.boot = boot - self.t
        self.offset = now.utc - boot
        self._restart()

    def _start(self) -> Pipeline:
        return Pipeline(self.product, zone=self.zone, now=self.now(), saved=self.saved)

    def _restart(self) -> None:
        self.late += self.pipeline.late
        self.pipeline = self._start()

    def _save(self, *, stopping: bool) -> None:
        # what is kept must survive being text
        self.saved = json.loads(json.dumps(self.pipeline.save(stopping=stopping), allow_nan=False))

    def _note(self, records: list[Record]) -> None:
        self.records += [(self.t, record) for record in records]
