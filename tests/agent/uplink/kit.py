"""A gateway's side of an uplink for tests: an outbox in memory, real encodings, short patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiomqtt
from msgspec.structs import replace

from agent.core.clock import Clock, Instant, SystemClock
from agent.core.errors import UplinkError
from agent.core.message import Encoding, Head, Message, Place, Queue
from agent.core.plan import Recipient
from agent.core.point import Point
from agent.core.product import Product, Route
from agent.core.record import Aggregate
from agent.encodings.native import Native
from agent.outbox.row import Row
from agent.uplink.desk import UplinkDesk
from agent.uplink.timing import Timing
from agent.uplink.uplink import Uplink

PATIENCE: Final = 20.0
PLACE: Final = Place(city="vaasa", site="library", gateway="gw1")
ROOT: Final = "citygate/1/vaasa/library/gw1"
POLICY: Final = "3b683cb786f6"
LID: Final = "3f9c0a1b"
EPOCH: Final = 7
QUICK: Final = Timing(answer=1.0, connect=2.0, hold=0.1, hold_most=0.4, probe=0.2, slow=0.05, farewell=1.0)


class MemoryFeed:
    """An outbox without a disk: what is not acknowledged stays."""

    def __init__(self) -> None:
        self._live: list[Row] = []
        self._backlog: list[Row] = []
        self._flying: dict[int, Row] = {}
        self._online = False
        self._news = asyncio.Event()
        self._settled = asyncio.Condition()
        self.refused: frozenset[str] = frozenset()
        self.done: list[Row] = []
        self.takes = 0
        self.most = 0

    def put(self, rows: list[Row]) -> None:
        """Add rows, as the outbox does once they are on disk."""
        (self._live if self._online else self._backlog).extend(rows)
        self._news.set()

    @property
    def left(self) -> list[Row]:
        """What has not been acknowledged, oldest first."""
        return sorted([*self._live, *self._backlog, *self._flying.values()], key=lambda row: row.id)

    async def wait(self) -> None:
        await self._news.wait()

    async def take(self, live: int, backlog: int, skip: frozenset[str]) -> list[Row]:
        self.takes += 1
        await asyncio.sleep(0)
        taken = _pick(self._live, live, skip) + _pick(self._backlog, backlog, skip)
        for row in taken:
            assert row.id not in self._flying, "taken twice"
            self._flying[row.id] = row
        if not self._live and not self._backlog:
            self._news.clear()
        return taken

    def acked(self, row: Row) -> None:
        del self._flying[row.id]
        self.done.append(row)

    def release(self, rows: list[Row]) -> None:
        for row in rows:
            del self._flying[row.id]
        self._backlog = sorted([*self._backlog, *rows], key=lambda row: row.id)
        if rows:
            self._news.set()

    def bound(self, most: int) -> None:
        self.most = most

    def online(self, connected: bool) -> None:
        self._online = connected
        if not connected:
            self._backlog = sorted([*self._backlog, *self._live], key=lambda row: row.id)
            self._live.clear()


def _pick(rows: list[Row], count: int, skip: frozenset[str]) -> list[Row]:
    taken = [row for row in rows if row.route not in skip][:count]
    for row in taken:
        rows.remove(row)
    return taken


class Rig:
    """One recipient with its uplink; ``run`` reconnects as the supervisor does."""

    def __init__(
        self,
        port: int,
        *products: str,
        clock: Clock | None = None,
        timing: Timing | None = None,
        but: Mapping[str, object] | None = None,
        encoding: Encoding | None = None,
    ) -> None:
        plain = Recipient(name="city", host="127.0.0.1", port=port, rate=0.0)
        self.recipient = replace(plain, **(but or {}))
        self.virtual = clock is not None
        self.clock: Clock = clock or SystemClock()
        self.native: Encoding = encoding or Native(PLACE)
        self.feed = MemoryFeed()
        self.state = "online"
        self.desk = UplinkDesk(
            clock=self.clock,
            state=lambda: self.state,
            queue=lambda: Queue(n=len(self.feed.left), oldest=None, bytes=0, cap=1000),
            software="0.1.0",
            gateway=PLACE.gateway,
            timing=timing or (Timing() if self.virtual else QUICK),
        )
        self.uplink = Uplink(self.recipient, self.native, self.feed, self.desk)
        self.products = {name: a_product(name) for name in products or ("energy",)}
        self.routes = [a_route(self.recipient.name, name) for name in self.products]
        self.configure()
        self.errors: list[str] = []
        self._seq: dict[str, int] = {}
        self._changed = asyncio.Event()

    def configure(self) -> None:
        """Give the uplink its plan."""
        self.uplink.configure(tuple(self.products.values()), self.routes, POLICY, LID, EPOCH)

    def rows(self, count: int, product: str = "energy", *, keep: float = 3600.0) -> list[Row]:
        """Make the next rows of a product."""
        made = []
        for _ in range(count):
            seq = self._seq[product] = self._seq.get(product, 0) + 1
            made.append(self._row(product, seq, keep))
        return made

    def put(self, count: int, product: str = "energy") -> list[Row]:
        """Make the next rows of a product and put them into the outbox."""
        made = self.rows(count, product)
        self.feed.put(made)
        return made

    def _row(self, product: str, seq: int, keep: float) -> Row:
        now = self.clock.now()
        head = Head(epoch=EPOCH, seq=seq, policy=POLICY)
        figure = Aggregate("meter.power", now.utc // 60 * 60, 60.0, 6, (float(seq),))
        (message,) = self.native.batch(self.products[product], head, [figure])
        made = row_of(message, f"{self.recipient.name}.{product}", seq, now=now, keep=keep)
        return replace(made, id=seq * 10 + list(self.products).index(product))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Run the uplink as the supervisor would, for the length of an ``async with`` block."""
        task = asyncio.ensure_future(self._forever())
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _forever(self) -> None:
        while True:
            try:
                await self.uplink.run()
            except UplinkError as error:
                self.errors.append(str(error))
            await asyncio.sleep(0.02)

    async def until(self, true: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Wait until *true* holds; on virtual time an hour costs nothing."""
        await (until(true, 3 * 3600.0, step=0.25) if self.virtual else until(true, patience))


async def until(true: Callable[[], bool], patience: float = PATIENCE, *, step: float = 0.005) -> None:
    """Wait until *true* holds, with a deadline."""
    async with asyncio.timeout(patience):
        while not true():  # noqa: ASYNC110 - a condition that nobody announces
            await asyncio.sleep(step)


def row_of(message: Message, route: str, seq: int, *, now: Instant, keep: float = 3600.0) -> Row:
    """Make a row as the outbox keeps it."""
    return Row(
        id=seq, route=route, epoch=EPOCH, seq=seq, kind=message.kind, topic=message.topic,
        body=message.body, user=message.user, content_type=message.content_type, utf8=message.utf8,
        qos=message.qos, retain=message.retain, made=now.utc, expires=now.utc + keep, policy=POLICY,
        boot=now.boot,
    )  # fmt: skip


def a_product(name: str = "energy") -> Product:
    """Make a product of one point and one statistic."""
    points = (Point(name="meter.power", unit="kW", resolution=0.1),)
    return Product(
        id=name, points=points, published=points, steps=(), window=60.0, span="1m", statistics=("mean",)
    )


def a_route(recipient: str = "city", product: str = "energy") -> Route:
    """Make a route."""
    return Route(
        recipient=recipient, product=product, grant="ops", purpose="operations", basis="task", keep=3600.0
    )


def older(row: Row, seconds: float) -> Row:
    """Give *row* as if made earlier."""
    return replace(row, made=row.made - seconds, boot=row.boot - seconds, expires=row.expires - seconds)


class City:
    """The city's side: a subscriber that keeps what arrives."""

    def __init__(self) -> None:
        self.messages: list[aiomqtt.Message] = []

    def bodies(self, topic: str) -> list[bytes]:
        """Give what arrived on *topic*."""
        return [bytes(one.payload) for one in self.messages if str(one.topic) == topic]

    def ids(self) -> list[str]:
        """Give the ids of the data messages, in order of arrival."""
        return [value for one in self.messages for name, value in user_of(one) if name == "id"]


def user_of(message: aiomqtt.Message) -> list[tuple[str, str]]:
    """Give a message's User Properties."""
    return list(getattr(message.properties, "UserProperty", []))


@asynccontextmanager
async def subscribed(
    port: int,
    username: str | None = None,
    password: str | None = None,
    *,
    topic: str = "citygate/#",
    version: str = "5",
) -> AsyncIterator[City]:
    """Subscribe as a foreign client, for the length of an ``async with`` block."""
    city = City()
    spoken = aiomqtt.ProtocolVersion.V5 if version == "5" else aiomqtt.ProtocolVersion.V311
    async with aiomqtt.Client(
        "127.0.0.1", port, username=username, password=password, protocol=spoken
    ) as client:
        await client.subscribe(topic, qos=1)
        task = asyncio.ensure_future(_collect(client, city))
        try:
            yield city
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await task


async def _collect(client: aiomqtt.Client, city: City) -> None:
    async for message in client.messages:
        city.messages.append(message)
