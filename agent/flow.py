"""The way of the data inside: samples to the products that want them, records through the gate to the outbox.

Plain calls from end to end: no queue, no task switch. A point that no product names ends here, and nothing
reaches the outbox but what the gate cleared. Until the clock is right (or need not be), samples are held,
so that no window is labelled with a wrong hour.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct, ValidationError, convert, to_builtins

from agent.config.brokers import is_loopback
from agent.core.catalogue.gateway import CLOCK_UNSYNCHRONISED, RATE_USED_UP, UNCONFINED
from agent.core.clock import Instant
from agent.core.plan import Plan
from agent.core.product import Product, Route
from agent.core.rate import Pace
from agent.core.record import Aggregate, Record, State
from agent.core.sample import Sample
from agent.gate import Cleared, Gate
from agent.pipeline import Pipeline
from agent.privacy.laplace import Below

_log = logging.getLogger(__name__)
_MOST_HELD: Final = 50_000  # samples, some 8 MB: a busy site waits less long
_GATE: Final = "gate"  # beside the steps in what a product remembers
PACES: Final = "~paces"  # no product is called so


class Store(Protocol):
    """What the way of the data needs of the outbox."""

    def put(self, cleared: Cleared) -> None:
        """Keep cleared records."""
        ...

    def spend(self, cleared: Cleared) -> None:
        """Keep account of the noise in cleared records, once for all routes."""
        ...

    def save(self, product: str, state: object) -> None:
        """Keep what a product must remember, with the next commit."""
        ...

    def lose(self, route: str, why: str, begin: float, end: float) -> None:
        """Declare that nothing will come for a stretch of UTC seconds."""
        ...

    def saved(self, product: str) -> object | None:
        """Give what was kept last."""
        ...


class Work(Struct):
    """One product at work: how many records it gave, the last at which boot time.

    ``made`` holds, by point, how its newest figure came about and why: a state, never a value.
    """

    product: Product
    pipeline: Pipeline
    records: int = 0
    last: float = 0.0
    made: dict[str, tuple[str, str]] = {}


class Flow:
    """All products at work; ``open`` is False while samples are held for the clock.

    *below* is where the noise of differential privacy comes from.
    """

    def __init__(self, store: Store, below: Below = secrets.randbelow) -> None:
        self.works: dict[str, Work] = {}
        self.open = False
        self._store = store
        self._below = below
        self._wanted: Mapping[str, list[Work]] = {}
        self._held: list[Sample] = []
        self._held_since = 0.0
        self._waiting: list[Product] = []
        self._awaited: frozenset[str] = frozenset()
        self._gate: Gate | None = None
        self._zone = ZoneInfo("UTC")
        self._now = Instant(0.0, 0.0, synced=False)

    @property
    def routes(self) -> list[Route]:
        """List the routes whose grants have not ended."""
        return self._gate.open_routes(self._now) if self._gate else []

    @property
    def gate(self) -> Gate:
        """The gate, once there is a plan."""
        assert self._gate is not None
        return self._gate

    def withheld(self, product: str) -> float | None:
        """Give the share of *product*'s latest figures by day that were withheld; None: too few to say."""
        return self._gate.withheld(product) if self._gate else None

    def configure(self, plan: Plan) -> None:
        """Apply the plan's grants and time zone; pipelines are begun and ended by their own calls."""
        self._zone = ZoneInfo(plan.timezone)
        local = frozenset(one.name for one in plan.recipients if is_loopback(one.host))
        if self._gate is None:
            self._gate = Gate(plan.products, plan.routes, self._zone, self._below, local=local)
            self._gate.paces = _paces(self._store.saved(PACES))
        else:
            self._gate.configure(plan.products, plan.routes, self._zone, local)

    def begin(self, products: Iterable[Product], now: Instant) -> None:
        """Start the pipelines of *products*, or note them until the clock is right."""
        self._now = now
        if not self.open:
            self._held_since = self._held_since or now.boot
            self._waiting.extend(products)
            self._note_awaited()
            return
        assert self._gate is not None
        for product in products:
            saved = self._store.saved(product.id)
            self._gate.begin(product.id, saved.get(_GATE) if isinstance(saved, dict) else None)
            pipeline = Pipeline(product, zone=self._zone, now=now, saved=saved)
            self.works[product.id] = Work(product, pipeline)
        self._route_samples()

    def end(self, products: Iterable[str], *, stopping: bool = False) -> None:
        """Stop pipelines; what they may remember goes to the outbox.

        Small counts that wait for more are told as suppressed, unless the gateway is *stopping* and they
        may be written down.
        """
        names = set(products)
        self._waiting = [product for product in self._waiting if product.id not in names]
        self._note_awaited()
        for name in names & self.works.keys():
            work = self.works.pop(name)
            assert self._gate is not None
            self._put(self._gate.finish(name, self._now, stopping=stopping))
            self._store.save(name, self._memory(work, stopping=True))
        self._route_samples()

    def release(self, now: Instant) -> None:
        """Let windows be published from now on: start what waits and feed it what was held."""
        if not now.synced:
            CLOCK_UNSYNCHRONISED.tell(_log)
        self.open = True
        waiting, self._waiting = self._waiting, []
        self._note_awaited()
        # as if the pipelines had begun with the first sample, by the clock that is right now
        self.begin(waiting, Instant(self._held_since, self._held_since + now.offset, now.synced))
        held, self._held = self._held, []
        self.feed(held, now)

    def feed(self, samples: Iterable[Sample], now: Instant) -> None:
        """Take samples; called by drivers for every reading there is."""
        if not self.open:
            awaited = self._awaited
            self._held.extend(one for one in samples if one.point in awaited)
            if len(self._held) >= _MOST_HELD:
                self.release(now)
            return
        self._now = now
        ready: dict[str, list[Record]] = {}
        wanted = self._wanted
        for sample in samples:
            for work in wanted.get(sample.point, ()):
                if sample.unconfined:
                    self._stain(work.product.id)
                if records := work.pipeline.feed_one(sample):
                    ready.setdefault(work.product.id, []).extend(records)
        for name, records in ready.items():
            self._publish(self.works[name], records, now)

    def tick(self, now: Instant) -> None:
        """Let time pass: windows close without data too."""
        self._now = now
        assert self._gate is not None
        silent = []
        for name, work in self.works.items():
            records = work.pipeline.tick(now)
            if records or self._gate.waiting(name):
                self._publish(work, records, now)
            else:
                silent.append(name)
        # noise is drawn when its product tells nothing: the time that it takes delays nothing of it
        for name in silent:
            self._gate.prepare(name)
        self._tell_stayed(now)

    def set_back(self, now: Instant) -> None:
        """Declare what it costs that the clock went back to *now*: a published window has no second place."""
        self._now = now
        routes = self.routes
        for work in self.works.values():
            for begin, end in work.pipeline.blocked(now.utc):
                for route in routes:
                    if route.product == work.product.id:
                        self._store.lose(route.id, "clock", begin, end)

    def _tell_stayed(self, now: Instant) -> None:
        """Declare the events that grants' rates kept back, once for each stretch of a rate."""
        for name, many, begin, end in self.gate.stayed(now):
            RATE_USED_UP.tell(_log, name, many, ROUTE=name)
            self._store.lose(name, "rate", begin, end)
            self._keep_paces()

    def _keep_paces(self) -> None:
        """Keep how far rates are used up; a restart gives nothing back."""
        if self.gate.paces:
            self._store.save(PACES, to_builtins(self.gate.paces))

    def _put(self, cleared: Sequence[Cleared]) -> None:
        """Hand over what the gate cleared; whoever gets it, its noise was spent once."""
        for one in cleared:
            self._store.put(one)
            if one.route == cleared[0].route:
                self._store.spend(one)

    def _publish(self, work: Work, records: list[Record], now: Instant) -> None:
        assert self._gate is not None
        self._put(self._gate.clear(work.product.id, records, now))
        work.records += len(records)
        work.last = now.boot
        for one in records:
            if isinstance(one, Aggregate):
                work.made[one.point] = _how(one.state, one.why)
        if (state := self._memory(work, stopping=False)) is not None:
            self._store.save(work.product.id, state)
        self._keep_paces()

    def _memory(self, work: Work, *, stopping: bool) -> dict[str, Any] | None:
        """Give what steps and gate must remember of a product; None when it is nothing."""
        assert self._gate is not None
        if work.product.id in self._gate.unconfined:
            return None  # a later run would not know what went into it
        kept = work.pipeline.save(stopping=stopping) or {}
        held = self._gate.save(work.product.id, stopping=stopping)
        return (kept if held is None else {**kept, _GATE: held}) or None

    def _stain(self, product: str) -> None:
        """Keep a product on this computer until the gateway is started again."""
        assert self._gate is not None
        if product not in self._gate.unconfined:
            self._gate.unconfined.add(product)
            UNCONFINED.tell(_log, product, PRODUCT=product)

    def _note_awaited(self) -> None:
        self._awaited = frozenset(point.name for one in self._waiting for point in one.points)

    def _route_samples(self) -> None:
        wanted: dict[str, list[Work]] = {}
        nobody: list[Work] = []
        for work in self.works.values():
            # points of the same products share one list of them: here by the list without this product
            joined: list[tuple[list[Work], list[Work]]] = []
            for one in work.product.points:
                before = wanted.get(one.name, nobody)
                known = next((after for others, after in joined if others is before), None)
                if known is None:
                    known = [*before, work]
                    joined.append((before, known))
                wanted[one.name] = known
        self._wanted = wanted


@lru_cache(maxsize=64)
def _how(state: State, why: str) -> tuple[str, str]:
    """Keep one pair for all points of which the same is told."""
    return state.value, why


def _paces(saved: object | None) -> dict[str, Pace]:
    """Understand what an earlier run used of the rates; what is no such thing has used nothing."""
    try:
        return convert(saved or {}, dict[str, Pace])
    except ValidationError:
        return {}
