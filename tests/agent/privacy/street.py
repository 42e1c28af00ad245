"""A flow of products at work on virtual seconds, with everything that leaves it as the city would read it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from agent.core.clock import Instant
from agent.core.message import Head, Place
from agent.core.plan import Plan
from agent.core.point import Kind, Point, Scope
from agent.core.product import Privacy, Product, Route, Statistic
from agent.core.record import Aggregate
from agent.core.sample import Quality, Sample
from agent.core.step import Step
from agent.encodings.native import Native
from agent.flow import Flow
from agent.gate import Cleared
from pipelines.combine import Combine
from pipelines.window import Window
from tests.virtual import START

PLACE = Place(city="vaasa", site="library", gateway="gw1")
DOORS = tuple(
    Point(name=f"door.{name}", kind=Kind.COUNT, every=10.0, scope=Scope.PUBLIC) for name in ("in", "out")
)
SEEN = tuple(
    Point(name=f"square.{name}", kind=Kind.COUNT, every=10.0, personal=True) for name in ("in", "out")
)
FLATS = tuple(
    Point(name=f"flat-{n}.energy", unit="kW.h", kind=Kind.COUNTER, every=10.0, scope=Scope.HOUSEHOLD)
    for n in range(1, 7)
)


def product(
    name: str, points: tuple[Point, ...], privacy: Privacy, *, window: str = "1m", seconds: float = 60.0
) -> Product:
    """Give a product of *points*, those of meters combined."""
    meters = all(one.kind is Kind.COUNTER for one in points)
    statistics: tuple[Statistic, ...] = ("delta",) if meters else ("sum",)
    steps: tuple[Step, ...] = (Window(length=window, statistics=statistics),)
    steps += (Combine(name="flats.energy"),) if meters else ()
    published = steps[-1].points(points)
    return Product(
        id=name, points=points, published=published, steps=steps, window=seconds, span=window,
        statistics=statistics, privacy=privacy,
    )  # fmt: skip


def plan(*products: Product) -> Plan:
    """Give a plan that sends *products* to the city."""
    routes = tuple(
        Route(recipient="city", product=one.id, grant="all", purpose="planning", basis="task", keep=9e6)
        for one in products
    )
    return Plan(
        place=PLACE, timezone="Europe/Helsinki", links=(), products=products, recipients=(), grants=(),
        routes=routes, policy="0123456789ab",
    )  # fmt: skip


class Row(dict[str, Any]):
    """One row of a batch: product, point, start, width, value, n, state, why, and when it left."""


class Street:
    """What keeps a flow: a store that is text, and the course of time."""

    def __init__(self, first: Plan, below: Callable[[int], int] | None = None) -> None:
        self.rows: list[Row] = []
        self.lost: list[tuple[str, float, float]] = []
        self.phase = ""
        self.t = 0.0
        self.ahead = 0.0  # how far the time of day was set
        self.meters = dict.fromkeys((one.name for one in FLATS), 1000.0)
        self._below = below or random.Random(7).randrange
        self._kept: dict[str, str] = {}
        self._native = Native(PLACE)
        self._plan = first
        self.flow = self._start()

    # --- the store ------------------------------------------------------------------------------------

    def put(self, cleared: Cleared) -> None:
        """Encode what was cleared, and read it as the city does."""
        assert not any(isinstance(one, Aggregate) and one.parts for one in cleared.records)
        head = Head(epoch=1, seq=1, policy="p")
        for message in self._native.batch(cleared.product, head, cleared.records):
            body = json.loads(message.body)
            for point, n, value in body["r"]:
                mark = body.get("x", {}).get(point, {})
                start = START + self._seconds(body["t"])
                self.rows.append(
                    Row(
                        product=cleared.product, point=point, start=start, width=float(body["w"]), n=n,
                        value=value, state=mark.get("q", "ok"), why=mark.get("why", ""), t=self.t,
                    )
                )  # fmt: skip

    def save(self, product: str, state: object) -> None:
        """Keep text, as a disk does."""
        self._kept[product] = json.dumps(state)

    def saved(self, product: str) -> object | None:
        """Give what was kept."""
        found: object | None = json.loads(self._kept.get(product, "null"))
        return found

    def spend(self, cleared: Cleared) -> None:
        """Forget."""

    def lose(self, route: str, why: str, begin: float, end: float) -> None:
        """Note a declared loss."""
        self.lost.append((why, begin, end))

    # --- what happens ---------------------------------------------------------------------------------

    @property
    def now(self) -> Instant:
        """Give this moment."""
        return Instant(1000.0 + self.t, START + self.t + self.ahead)

    def poll(self, **counts: float | None) -> None:
        """Read each point once: *counts* by the last part of its name; else nobody, and 0.1 kW.h a home."""
        samples = []
        for point in (*DOORS, *SEEN, *FLATS):
            device, _, last = point.name.partition(".")
            value: float | None = counts.get(device.replace("-", "_"), counts.get(last, 0.0))
            if point in FLATS:
                self.meters[point.name] += 0.1 if value == 0.0 else value or 0.0
                value = self.meters[point.name]
            quality, why = (Quality.BAD, "no_reply") if value is None else (Quality.GOOD, "")
            samples.append(Sample(point.name, value, self.now.boot, quality, why))
        with self._in("feed"):
            self.flow.feed(samples, self.now)

    def minute(self, **counts: float | None) -> None:
        """Let a minute pass with six polls; *counts* come with the first."""
        for n in range(6):
            self.poll(**(counts if n == 0 else {name: None for name, one in counts.items() if one is None}))
            self.wait(10)

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        for _ in range(seconds):
            self.t += 1
            with self._in("tick"):
                self.flow.tick(self.now)

    def set_clock(self, by: float) -> None:
        """Set the time of day forward or back, and notice as the gateway does."""
        self.ahead += by
        if by < 0:
            self.flow.set_back(self.now)

    def jump(self, seconds: float) -> None:
        """Let time pass without a tick, as after a standstill."""
        self.t += seconds

    def reload(self, new: Plan) -> None:
        """Put another plan in force, as the gateway does."""
        old = {one.id: one for one in self._plan.products}
        after = {one.id: one for one in new.products}
        with self._in("reload"):
            self.flow.end([name for name, one in old.items() if after.get(name) != one])
            self.flow.configure(new)
            self.flow.begin([one for name, one in after.items() if old.get(name) != one], self.now)
        self._plan = new

    def stop(self) -> None:
        """Stop in order and start again at once."""
        with self._in("stop"):
            self.flow.end(list(self.flow.works), stopping=True)
        self.flow = self._start()

    def crash(self) -> None:
        """Die and start again from what the disk has."""
        self.flow = self._start()

    def restart_with(self, new: Plan) -> None:
        """Stop in order and start with other files."""
        with self._in("stop"):
            self.flow.end(list(self.flow.works), stopping=True)
        self._plan = new
        self.flow = self._start()

    def of(self, product: str, point: str = "") -> list[Row]:
        """Give the rows of a product (and point) so far."""
        return [one for one in self.rows if one["product"].id == product and point in ("", one["point"])]

    def told(self, product: str, point: str = "door.in") -> list[tuple[float, float, Any, str]]:
        """Give start and width in minutes, value and state of each row."""
        return [
            ((one["start"] - START) / 60, one["width"] / 60, one["value"], one["state"])
            for one in self.of(product, point)
        ]

    def _start(self) -> Flow:
        flow = Flow(self, self._below)
        with self._in("start"):
            flow.open = True
            flow.configure(self._plan)
            flow.begin(self._plan.products, self.now)
        return flow

    @contextmanager
    def _in(self, phase: str) -> Iterator[None]:
        self.phase = phase
        yield
        self.phase = ""

    @staticmethod
    def _seconds(text: str) -> float:
        return datetime.fromisoformat(text).timestamp() - START
