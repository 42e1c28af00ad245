"""Runs recorded samples through products, gate and encodings: the gateway without devices and brokers.

Time is that of the samples: it advances second by second between them, and on until the last windows have
closed. A sample that is older than one before it is as late as it would have been.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from agent.core.clock import Instant
from agent.core.message import Encoding, Head, Message
from agent.core.record import Aggregate
from agent.gate import Cleared, Gate
from agent.pipeline import Pipeline
from agent.registry import encoder

if TYPE_CHECKING:
    from agent.core.plan import Plan
    from agent.core.product import Route
    from agent.core.record import Record
    from agent.core.sample import Sample

_LATE: Final = 60.0  # more than a window waits for late samples
_TICKS: Final = 4000  # per window, once samples have ended


class Replay:
    """One plan at work on recorded time."""

    def __init__(self, plan: Plan) -> None:
        zone = ZoneInfo(plan.timezone)
        self._plan = plan
        self._gate = Gate(plan.products, plan.routes, zone)
        self._zone = zone
        self._pipelines: dict[str, Pipeline] = {}
        self._numbers: dict[str, int] = {}
        self._encodings: dict[str, Encoding] = {one.name: encoder(one, plan.place) for one in plan.recipients}
        self.unwanted: dict[str, int] = {}

    def leaving(self, recorded: Iterable[Sample]) -> Iterator[tuple[Route, Message]]:
        """Give each message that would leave, with its route, in order."""
        now = 0.0
        for sample in recorded:
            if not self._pipelines:
                now = sample.at
                self._begin(now)
            while now + 1 <= sample.at:
                now += 1
                yield from self._tick(now)
            now = max(now, sample.at)
            yield from self._feed(sample, now)
        if self._pipelines:
            yield from self._finish(now)

    def _begin(self, now: float) -> None:
        for product in self._plan.products:
            self._pipelines[product.id] = Pipeline(product, zone=self._zone, now=_instant(now), saved=None)

    def _feed(self, sample: Sample, now: float) -> Iterator[tuple[Route, Message]]:
        wanted = False
        for product, pipeline in self._pipelines.items():
            if sample.point in pipeline.wants:
                wanted = True
                yield from self._clear(product, pipeline.feed([sample]), now)
        if not wanted:
            self.unwanted[sample.point] = self.unwanted.get(sample.point, 0) + 1

    def _tick(self, now: float) -> Iterator[tuple[Route, Message]]:
        for product in self._pipelines:
            yield from self._clear(product, self._ticked(product, now), now)

    def _ticked(self, product: str, now: float) -> list[Record]:
        """Let time pass for one product, as the running gateway does."""
        records = self._pipelines[product].tick(_instant(now))
        if not records and not self._gate.waiting(product):
            self._gate.prepare(product)
        return records

    def _finish(self, end: float) -> Iterator[tuple[Route, Message]]:
        """Let time pass until each product has closed the window that was open at *end*."""
        for product in self._plan.products:
            step, now = max(1.0, product.window / _TICKS), end
            while now < end + product.window + _LATE:
                now += step
                found = self._ticked(product.id, now)
                yield from self._clear(product.id, found, now)
                if any(isinstance(one, Aggregate) and one.start + one.width > end for one in found):
                    break
            # the recording ends as a product does that is taken out: what is held is told as suppressed
            yield from self._messages(self._gate.finish(product.id, _instant(now), stopping=False))

    def _clear(self, product: str, records: list[Record], now: float) -> Iterator[tuple[Route, Message]]:
        if records or self._gate.waiting(product):
            yield from self._messages(self._gate.clear(product, records, _instant(now)))

    def _messages(self, allowed: Iterable[Cleared]) -> Iterator[tuple[Route, Message]]:
        for cleared in allowed:
            route = cleared.route
            head = Head(epoch=1, seq=self._numbers.get(route.id, 0) + 1, policy=self._plan.policy)
            found = self._encodings[route.recipient].batch(cleared.product, head, cleared.records)
            self._numbers[route.id] = head.seq - 1 + len(found)
            yield from ((route, message) for message in found)


def _instant(now: float) -> Instant:
    return Instant(now, now, synced=True)
