"""The pipeline of one product: its steps in order, fed with samples, asked for records.

Plain calls, no input or output. Samples die here: whatever leaves the last stage and is no record is
dropped, so nothing finer than what the product computes can go on to the gate.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from functools import cached_property
from typing import Any, Final

from agent.core.catalogue.store import STEP_ANEW
from agent.core.clock import Instant
from agent.core.product import Product
from agent.core.record import Aggregate, Event, Record
from agent.core.sample import Sample
from agent.core.step import Item, Scene, Stage, Step

_LOG: Final = logging.getLogger(__name__)
_RECORDS: Final = (Aggregate, Event)


class Pipeline:
    """The stages of one product at work."""

    def __init__(self, product: Product, *, zone: tzinfo, now: Instant, saved: object | None = None) -> None:
        self.product = product
        self._stages: list[tuple[str, Stage]] = []
        kept = _understood(product, saved)
        points = product.points
        for place, step in enumerate(product.steps):
            key = f"{place}:{type(step).__name__.lower()}"
            scene = Scene(points=points, zone=zone, now=now, saved=kept.get(key))
            self._stages.append((key, _start(step, scene, f"{product.id}, step {key}")))
            points = step.points(points)
        self._feeds = tuple(stage.feed for _, stage in self._stages)

    @cached_property
    def wants(self) -> frozenset[str]:
        """The points that enter, for whoever has others beside them."""
        return frozenset(point.name for point in self.product.points)

    @property
    def late(self) -> int:
        """Samples that came after their window was published, since the start."""
        return sum(getattr(stage, "late", 0) for _, stage in self._stages)

    def blocked(self, utc: float) -> list[tuple[float, float]]:
        """List the stretches ahead of *utc* (seconds) that were published before the clock was set back.

        Samples taken in them are dropped as late; there are none while the clock only goes forward.
        """
        asked = (getattr(stage, "blocked", None) for _, stage in self._stages)
        return [stretch for ask in asked if ask is not None for stretch in ask(utc)]

    def feed(self, samples: Iterable[Sample]) -> list[Record]:
        """Put *samples* through the steps, those of other products' points aside; give what is ready."""
        wants = self.wants
        ready: list[Record] = []
        for sample in samples:
            if sample.point in wants and (records := self.feed_one(sample)):
                ready += records
        return ready

    def feed_one(self, sample: Sample) -> list[Record]:
        """Put one sample of a wanted point through the steps; give what is ready."""
        items: tuple[Item, ...] = (sample,)
        for feed in self._feeds:
            # nearly always one item comes and one or none goes: a comprehension would cost twice the time
            if len(items) == 1:
                items = tuple(feed(items[0]))
            else:
                items = tuple(out for item in items for out in feed(item))
            if not items:
                return []
        return [item for item in items if isinstance(item, _RECORDS)]

    def tick(self, now: Instant) -> list[Record]:
        """Give what is ready because time has passed; called about once a second."""
        released: list[Item] = []
        for _, stage in self._stages:
            # what earlier stages release belongs to the time before this tick
            passed = [out for item in released for out in stage.feed(item)]
            released = [*passed, *stage.tick(now)]
        return [item for item in released if isinstance(item, _RECORDS)]

    def save(self, *, stopping: bool) -> dict[str, Any] | None:
        """Give plain JSON values from which a later start can go on; None when no step has any."""
        kept: dict[str, Any] = {}
        for key, stage in self._stages:
            save = getattr(stage, "save", None)
            if save is not None and (state := save(stopping=stopping)) is not None:
                kept[key] = state
        return kept or None


def _start(step: Step, scene: Scene, where: str) -> Stage:
    """Start *step*; with nothing saved if it cannot use what was saved."""
    if scene.saved is not None:
        try:
            return step.start(scene)
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            STEP_ANEW.tell(_LOG, where, f"what it had saved cannot be used: {error}")
    return step.start(Scene(points=scene.points, zone=scene.zone, now=scene.now))


def _understood(product: Product, saved: object | None) -> Mapping[str, Any]:
    """Give what was saved by step; nothing if it is not a table of steps."""
    if saved is None:
        return {}
    if isinstance(saved, dict):
        return saved
    why = f"what was saved is a {type(saved).__name__} and not a table of steps"
    STEP_ANEW.tell(_LOG, product.id, why, PRODUCT=product.id)
    return {}
