"""A small world for tests of the outbox: a clock to turn, a plain encoding, a plan and cleared records."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date
from pathlib import Path
from typing import Any, ClassVar

from msgspec.structs import asdict

from agent.config.brokers import is_loopback
from agent.core.clock import Instant
from agent.core.errors import OutboxError
from agent.core.message import Encoding, Head, Late, Loss, Message, NoSettings, Place, Previous, Status
from agent.core.plan import Plan, Recipient
from agent.core.point import Point
from agent.core.product import Product, Route
from agent.core.record import Aggregate, Event, Record
from agent.core.settings import Settings
from agent.gate import Cleared, Gate
from agent.outbox.keeper import Keeper
from agent.outbox.outbox import Outbox
from agent.outbox.row import Row
from agent.outbox.work import Done, Work
from tests.virtual import VirtualClock

START = 1_795_291_200.0
KEEP = 30 * 86400.0
CAP = 4 << 20


class TurnedClock:
    """A clock that only the test turns."""

    def __init__(self, utc: float = START, *, synced: bool = True, boot_id: str = "6f1c22ab") -> None:
        self.utc = utc
        self.at = 1000.0
        self.synced = synced
        self._boot_id = boot_id

    @property
    def boot_id(self) -> str:
        return self._boot_id

    def now(self) -> Instant:
        return Instant(self.at, self.utc, self.synced)

    def boot(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.turn(max(0.0, seconds))
        await asyncio.sleep(0)

    def turn(self, seconds: float) -> None:
        self.at += seconds
        self.utc += seconds


class Plain:
    """An encoding that is easy to read back."""

    settings_type: ClassVar[type[Settings]] = NoSettings
    late: Late = "marked"

    def batch(self, product: Product, head: Head, records: Sequence[Record]) -> Sequence[Message]:
        aggregates = [one for one in records if isinstance(one, Aggregate)]
        bodies: list[tuple[str, object]] = []
        if aggregates:
            bodies.append(("batch", [[one.point, one.start, *one.values] for one in aggregates]))
        bodies += [("event", one.text) for one in records if isinstance(one, Event)]
        return [
            self._message(product.id, head.epoch, head.seq + at, kind, body)
            for at, (kind, body) in enumerate(bodies)
        ]

    def gap(self, product: str, head: Head, losses: Sequence[Loss]) -> Message:
        return self._message(product, head.epoch, head.seq, "gap", [asdict(one) for one in losses])

    def start(self, product: str, head: Head, previous: Previous | None) -> Message | None:
        return self._message(product, head.epoch, head.seq, "start", previous and asdict(previous))

    def time(self, product: str, head: Head, offset: float) -> Message:
        return self._message(product, head.epoch, head.seq, "time", offset)

    def birth(self, product: Product, route: Route, head: Head, lid: str) -> Sequence[Message]:
        del route, lid
        return [self._message(product.id, head.epoch, head.seq, "birth", None)]

    def status(self, status: Status) -> Message:
        return self._message("status", status.epoch, 0, "status", status.state)

    def will(self, lid: str, epoch: int) -> Message:
        return self._message("status", epoch, 0, "status", lid)

    def _message(self, product: str, epoch: int, seq: int, kind: str, what: object) -> Message:
        body = json.dumps({"k": kind, "e": epoch, "s": seq, "d": what}, separators=(",", ":")).encode()
        return Message(topic=f"plain/{product}", body=body, kind=kind, user=(("id", f"gw/{epoch}/{seq}"),))


PLAIN: Encoding = Plain()
POINT = Point(name="meter.power")


def product(name: str, window: float = 60.0) -> Product:
    return Product(
        id=name, points=(POINT,), published=(POINT,), steps=(), window=window, span="1m", statistics=("mean",)
    )


def route(name: str, *, keep: float = 400 * 86400.0, until: date | None = None) -> Route:
    recipient, _, product_name = name.partition(".")
    return Route(
        recipient=recipient, product=product_name, grant="g", purpose="p", basis="b", keep=keep, until=until
    )


def plan(*routes: Route, policy: str = "3b683cb786f6", host: str = "city.example") -> Plan:
    return Plan(
        place=Place(city="vaasa", site="library", gateway="gw1"),
        timezone="Europe/Helsinki",
        links=(),
        products=tuple(product(name) for name in sorted({one.product for one in routes})),
        recipients=tuple(
            Recipient(name=name, host=host, port=1883) for name in sorted({one.recipient for one in routes})
        ),
        grants=(),
        routes=routes,
        policy=policy,
    )


class World:
    """An outbox with its clock, and what the city got from it."""

    def __init__(self, folder: Path, *, cap: int = CAP, keep: float = KEEP) -> None:
        self.folder = folder
        self.cap = cap
        self.keep = keep
        self.clock = TurnedClock()
        self.routes: tuple[Route, ...] = (route("city.energy"),)
        self.encodings: dict[str, Encoding] = {"city": PLAIN, "lab": PLAIN}
        self.host = "city.example"
        self.unconfined = False
        self.got: list[Row] = []
        self.lids = iter(f"{n:08x}" for n in range(1, 99))

    async def start(self, *, boxed: bool = False) -> Outbox:
        self.outbox = await Outbox.open(
            self.folder,
            cap=self.cap,
            keep=self.keep,
            clock=self.clock,
            boxed=boxed,
            new_lid=lambda: next(self.lids),
        )
        self.outbox._store.wait_for_disk(False)  # no power is cut here
        self.configure()
        return self.outbox

    def configure(self, *routes: Route) -> None:
        if routes:
            self.routes = routes
        self.outbox.configure(plan(*self.routes, host=self.host), self.encodings)

    def crash(self) -> None:
        """Let the process vanish: what is in memory is gone, the file stays as it is."""
        self.outbox._store.abandon()

    def window(self, name: str = "city.energy", *, size: int = 100, start: float | None = None) -> None:
        begin = self.clock.utc - 60.0 if start is None else start
        figure = Aggregate("x" * size, begin, 60.0, 60, (1.0,), synced=self.clock.synced)
        for one in self.clear(name, figure):
            self.outbox.put(one)

    def event(self, name: str = "city.energy", text: str = "hot") -> None:
        what = Event("meter.power", "threshold", "warning", self.clock.utc, 1.0, "1", text, synced=True)
        for one in self.clear(name, what):
            self.outbox.put(one)

    def clear(self, name: str, *records: Record) -> list[Cleared]:
        wanted = route(name)
        local = {wanted.recipient} if is_loopback(self.host) else set()
        routes = [one for one in self.routes if one.id == name]
        gate = Gate([product(wanted.product)], routes, UTC, local=local)
        if self.unconfined:
            gate.unconfined.add(wanted.product)
        return gate.clear(wanted.product, records, self.clock.now())

    async def flush(self) -> None:
        """Commit and keep house, as `run` would."""
        await self.outbox.flush()
        await self.outbox._keeper.keep_house()
        await self.outbox.flush()

    async def deliver(self, *, most: int = 10_000, recipient: str = "city", live: int = 20) -> list[Row]:
        """Take and acknowledge until nothing comes any more."""
        feed = self.outbox.feed(recipient)
        feed.online(True)
        got: list[Row] = []
        while len(got) < most and (
            rows := await feed.take(min(live, most - len(got)), min(20, most - len(got)))
        ):
            for row in rows:
                feed.acked(row)
            got += rows
        self.got += got
        return got


class Disk:
    """Stands before a store: notes each commit with its boot second, and fails while it is told to."""

    def __init__(self, world: World) -> None:
        self.bad = False
        self.at: list[float] = []
        self.works: list[Work] = []
        self.breaths: list[float] = []
        self.reopened = 0
        store = world.outbox._store
        self._clock, self._commit, self._breathe = world.clock, store.commit, store.breathe
        store.commit, store.breathe, store.reopen = self.commit, self.breathe, self.reopen  # type: ignore[method-assign]

    def commit(self, work: Work) -> Done:
        self.at.append(self._clock.boot())
        self.works.append(work)
        if self.bad:
            raise OutboxError("the disk does not answer as it should")
        return self._commit(work)

    def breathe(self) -> Done:
        self.breaths.append(self._clock.boot())
        return self._breathe()

    def reopen(self) -> None:
        self.reopened += 1


async def started(folder: Path, clock: VirtualClock | None = None) -> tuple[World, Keeper, Disk]:
    """Start an outbox with all its beginnings on the disk."""
    world = World(folder)
    if clock is not None:
        world.clock = clock  # type: ignore[assignment]
    await world.start()
    await world.flush()
    return world, world.outbox._keeper, Disk(world)


def ask(folder: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(folder / "outbox.db")) as db:
        return db.execute(query).fetchall()


def losses(rows: Sequence[Row]) -> list[Loss]:
    """Read the losses that gap messages declare."""
    return [Loss(**one) for row in rows if row.kind == "gap" for one in json.loads(row.body)["d"]]


def covered(rows: Sequence[Row], route_id: str, epoch: int, seq: int) -> bool:
    """Say whether a message arrived or was declared lost."""
    if any((row.route, row.epoch, row.seq) == (route_id, epoch, seq) for row in rows):
        return True
    return any(
        loss.epoch == epoch and loss.first <= seq and (loss.last is None or seq <= loss.last)
        for loss in losses([row for row in rows if row.route == route_id])
    )
