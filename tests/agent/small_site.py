"""A small site for tests of the whole gateway: meters behind a made-up network, a broker that takes all.

Everything between them is real: windows, gate, native encoding, outbox on disk. Drivers are frozen, so what
a meter is up to stands in ``NETWORK``, by the host at which it is reached.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

from msgspec import field

from agent import app
from agent.app import Daemon, World
from agent.core.clock import Clock
from agent.core.driver import Desk, LinkSettings, Reading
from agent.core.errors import DriverError, GatewayError, UplinkError
from agent.core.message import Encoding, Place
from agent.core.plan import ClockPlan, Link, Plan, Recipient
from agent.core.point import Kind, Point
from agent.core.product import Product, Route
from agent.core.sample import Emit, Quality, Sample
from agent.core.sample import Meter as Mark
from agent.core.ticks import ticks
from agent.gateway import Gateway
from agent.notify import Notifier
from agent.outbox.row import Row
from agent.uplink.desk import Feed, UplinkDesk
from pipelines.window import Window
from tests.virtual import VirtualClock


class Meter:
    """What stands at one host: how it behaves, and how often a driver came to it."""

    def __init__(self) -> None:
        self.state = "well"
        self.runs = 0
        self.polls = 0
        self.energy = 0.0
        self.clings = False
        self.lies: tuple[Sample, ...] = ()
        self.number = ""
        self.notes: list[object] = []


NETWORK: dict[str, Meter] = {}


class MeterLine(LinkSettings):
    """A link to one meter with a power and an energy register; the energy grows by 1 with each poll."""

    answers_probes: ClassVar[bool] = True

    host: str = "10.0.0.5"
    every: float = 10.0
    devices: tuple[Any, ...] = field(default=())

    def points(self) -> Sequence[Point]:
        """Give the meter's points."""
        return (
            Point(name=f"{self.name}-meter.power", unit="kW", every=self.every),
            Point(name=f"{self.name}-meter.energy", unit="kW.h", kind=Kind.COUNTER, every=self.every),
        )

    async def run(self, emit: Emit, clock: Clock, desk: Desk) -> None:
        """Poll, and read in between when asked."""
        meter = NETWORK.setdefault(self.host, Meter())
        meter.runs += 1
        meter.notes.append(desk.notes.get(self.name))
        desk.notes.put(self.name, {"runs": meter.runs})
        if meter.number:
            emit([Mark(f"{self.name}-meter.energy", None, clock.boot(), meter=meter.number)])
        async with asyncio.TaskGroup() as group:
            group.create_task(self._serve(meter, clock, desk))
            group.create_task(self._answer_probes(meter, desk))
            async for _ in ticks(clock, self.every):
                if meter.state == "off":
                    raise DriverError(f"nobody answers at {self.host}")
                if meter.state == "hung":
                    await _hang(clock, meter)
                emit(self._readings(meter, clock.boot()))

    async def _serve(self, meter: Meter, clock: Clock, desk: Desk) -> None:
        while True:
            ask = await desk.next_wish()
            await clock.sleep(0.1)
            if not ask.answer.done() and meter.state != "deaf":
                samples = self._readings(meter, clock.boot())
                wanted = [one for one in samples if not ask.points or one.point in ask.points]
                ask.answer.set_result([Reading(one, "4248 0000") for one in wanted])

    async def _answer_probes(self, meter: Meter, desk: Desk) -> None:
        while True:
            probe = await desk.next_probe()
            if meter.state != "deaf":
                probe.answer.set_result({"heard": dict(probe.question)})

    def _readings(self, meter: Meter, now: float) -> list[Sample]:
        meter.polls += 1
        meter.energy += 1.0
        names = (f"{self.name}-meter.power", f"{self.name}-meter.energy")
        if meter.lies:
            return [*meter.lies, Sample(names[1], meter.energy, now)]
        if meter.state in ("silent", "faulty"):
            why = "no_reply" if meter.state == "silent" else "open_loop"
            return [Sample(name, None, now, Quality.BAD, why) for name in names]
        return [Sample(names[0], 50.0, now), Sample(names[1], meter.energy, now)]


class MuteLine(MeterLine):
    """The same, by a driver that answers no probes."""

    answers_probes: ClassVar[bool] = False


async def _hang(clock: Clock, meter: Meter) -> None:
    while True:
        try:
            await clock.sleep(10**7)
        except asyncio.CancelledError:
            if not meter.clings:
                raise


class City:
    """The broker and everything behind it: what it has received, and whether it is there."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.away = False
        self.busy = False
        self.runs = 0
        self.goodbyes = 0

    def bodies(self, *kinds: str) -> list[dict[str, Any]]:
        """Give the messages of *kinds* in the order of their arrival."""
        return [json.loads(row.body) for row in self.rows if row.kind in kinds]

    def figures(self, point: str) -> list[tuple[str, dict[str, Any]]]:
        """Give window start and figures of *point* from every batch."""
        found = []
        for body in self.bodies("batch"):
            names = [row[0] for row in body["r"]]
            if point in names:
                row = body["r"][names.index(point)]
                found.append((body["t"], dict(zip(body["c"][1:], row[1:], strict=True))))
        return found


class Outlet:
    """An uplink whose broker is a list."""

    figures: Mapping[str, float | str] = {}

    def __init__(self, city: City, desk: UplinkDesk, feed: Feed) -> None:
        self.desk = desk
        self.connected = False
        self.routes: list[str] = []
        self.configured = 0
        self.heads = 0
        self.word = "ok"
        self._city = city
        self._clock = desk.clock
        self._feed = feed

    def words(self) -> Mapping[str, str]:
        """Call every route the same."""
        return dict.fromkeys(self.routes, self.word)

    def configure(
        self, products: Sequence[Product], routes: Sequence[Route], policy: str, lid: str, epoch: int
    ) -> None:
        """Note that a plan came."""
        assert products or not routes
        assert policy
        assert lid
        assert epoch
        self.routes = [route.id for route in routes]
        self.configured += 1

    def witness(self) -> None:
        """Note that the head of the ledger has to be told."""
        self.heads += 1

    async def run(self) -> None:
        """Take whatever the outbox has."""
        self._city.runs += 1
        if self._city.away:
            raise UplinkError("the broker at city:8883 is away")
        self.connected = True
        self._feed.online(True)
        try:
            while True:
                while self._city.busy:
                    await self._clock.sleep(0.1)
                for row in await self._feed.take(20, 20, frozenset()):
                    self._city.rows.append(row)
                    self._feed.acked(row)
                await self._feed.wait()
                await self._clock.sleep(0.01)
        except asyncio.CancelledError:
            self._city.goodbyes += 1
            raise
        finally:
            self.connected = False
            self._feed.online(False)


class Site:
    """One gateway in one folder, over several runs."""

    def __init__(self, folder: Path, clock: VirtualClock, monkeypatch: Any) -> None:  # noqa: ANN401
        self.folder = folder
        self.clock = clock
        self.city = City()
        self.plan: Plan | Exception = plan()
        self.told: list[dict[str, str]] = []
        self.environment: dict[str, str] = {}
        self.daemon: Daemon | None = None
        self.outlets: list[Outlet] = []
        self._task: asyncio.Task[None] | None = None
        NETWORK.clear()
        monkeypatch.setattr(app, "load", self._load)

    @property
    def gateway(self) -> Gateway:
        """Give the running gateway."""
        assert self.daemon is not None
        assert self.daemon.gateway is not None
        return self.daemon.gateway

    @property
    def world(self) -> World:
        """Give what surrounds the gateway."""
        notes = _Notes(self.told, self.environment)
        return World(
            clock=self.clock, rng=random.Random(3), notifier=notes, make_uplink=self._outlet, boxed=False
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the gateway for as long as the block lasts; then stop it in order."""
        socket = self.folder / "control.sock"
        self.daemon = daemon = Daemon(self.folder, state=self.folder, socket=socket, world=self.world)
        assert isinstance(self.plan, Plan)
        self._task = task = asyncio.create_task(daemon.run(self.plan))
        await self.clock.sleep(0.001)
        try:
            yield
            daemon.orders.put_nowait("stop")
            await task
        finally:
            for meter in NETWORK.values():
                meter.clings = False
            task.cancel()
            with suppress(asyncio.CancelledError, GatewayError):
                await task

    async def ended(self) -> None:
        """Wait until the gateway ends by itself."""
        assert self._task is not None
        await self._task

    async def reload(self, plan: Plan | Exception) -> None:
        """Put *plan* into the place of the files and tell the gateway."""
        assert self.daemon is not None
        self.plan = plan
        self.daemon.orders.put_nowait("reload")
        await self.clock.sleep(0.5)

    def _load(self, folder: Path) -> Plan:
        assert folder == self.folder
        if isinstance(self.plan, Exception):
            raise self.plan
        return self.plan

    def _outlet(self, recipient: Recipient, encoding: Encoding, feed: Feed, desk: UplinkDesk) -> Outlet:
        assert recipient.encoding == "native"
        assert encoding is not None
        outlet = Outlet(self.city, desk, feed)
        self.outlets.append(outlet)
        return outlet


class _Notes(Notifier):
    """A service manager that writes down what it hears."""

    def __init__(self, told: list[dict[str, str]], environment: dict[str, str]) -> None:
        super().__init__(environment)
        self._told = told

    def _tell(self, **words: str) -> None:
        self._told.append(words)


def link(name: str, host: str = "10.0.0.5", every: float = 10.0) -> Link:
    """Give a link to one meter."""
    return Link(name=name, kind="meter-line", driver=MeterLine(name=name, host=host, every=every))


def product(name: str, *links: Link, window: str = "1m", seconds: float = 60.0) -> Product:
    """Give a product of all points of *links*."""
    points = tuple(point for one in links for point in one.driver.points())
    step = Window(length=window, statistics=("mean", "delta"))
    return Product(
        id=name,
        points=points,
        published=points,
        steps=(step,),
        window=seconds,
        span=window,
        statistics=step.statistics,
    )


def route(name: str) -> Route:
    """Give the route of product *name* to the city."""
    return Route(recipient="city", product=name, grant="ops", purpose="operations", basis="task", keep=4e7)


def plan(*, wait: float = 0.0) -> Plan:
    """Give a plan: one meter, one product, one recipient."""
    hall = link("hall")
    return Plan(
        place=Place(city="vaasa", site="library", gateway="gw1"),
        timezone="Europe/Helsinki",
        links=(hall,),
        products=(product("energy", hall),),
        recipients=(Recipient(name="city", host="127.0.0.1", port=1883),),
        grants=(),
        routes=(route("energy"),),
        policy="0123456789ab",
        clock=ClockPlan(wait=wait),
    )


logging.getLogger("asyncio").setLevel(logging.WARNING)
