"""A gateway with a real outbox for one recipient that may ask for what it had before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from agent.core.clock import Clock
from agent.core.command import VERBS
from agent.core.message import Encoding
from agent.core.plan import Grant, Plan
from agent.core.product import Route
from agent.core.record import Aggregate
from agent.gate import Gate
from agent.outbox.outbox import Outbox
from agent.uplink.uplink import Uplink
from tests.agent.uplink.kit import PLACE, POLICY, ROOT, Rig, until
from tests.peers.fake_broker import FakeBroker, Publish

PRODUCTS: Final = ("energy", "people")
KEEP: Final = 6 * 3600.0
VIRTUAL: Final = 600.0


class Site:
    """The gateway: ``routes`` are its grants; products stand whether granted or not."""

    def __init__(self, rig: Rig, outbox: Outbox, clock: Clock) -> None:
        self.rig = rig
        self.outbox = outbox
        self.clock = clock
        rig.desk.queue = lambda: outbox.queue("city")
        rig.desk.again = lambda: outbox.again("city")
        self.uplink = rig.uplink = Uplink(rig.recipient, rig.native, outbox.feed("city"), rig.desk)
        self.configure()

    def configure(self, *routes: Route, host: str = "127.0.0.1") -> None:
        """Put a plan into force."""
        rig = self.rig
        self.routes = [replace(one, keep=KEEP) for one in routes or rig.routes]
        self.products = tuple(rig.products.values())
        self.gate = Gate(self.products, self.routes, UTC)
        encodings: dict[str, Encoding] = {"city": rig.native}
        self.outbox.configure(
            Plan(
                place=PLACE, timezone="UTC", links=(), products=self.products,
                recipients=(replace(rig.recipient, host=host),), grants=(), routes=tuple(self.routes),
                policy=POLICY,
            ),
            encodings,
        )  # fmt: skip
        self.uplink.configure(self.products, self.routes, POLICY, self.outbox.lid, self.outbox.epoch)

    @property
    def today(self) -> date:
        """Give the site's date."""
        return datetime.fromtimestamp(self.clock.now().utc, UTC).date()

    @property
    def grants(self) -> tuple[Grant, ...]:
        """Give the grant that stands behind the routes."""
        names = tuple(one.product for one in self.routes)
        return (Grant(name="ops", recipient="city", products=names, purpose="p", basis="b", keep=KEEP),)

    def route(self, product: str, *, until: date | None = None) -> Route:
        """Give one of the grants."""
        return replace(next(one for one in self.rig.routes if one.product == product), until=until)

    def window(self, product: str = "energy", value: float = 1.0) -> None:
        """Publish one window."""
        now = self.clock.now()
        figure = Aggregate("meter.power", now.utc // 60 * 60, 60.0, 6, (value,))
        for cleared in self.gate.clear(product, [figure], now):
            self.outbox.put(cleared)

    async def windows(self, count: int, product: str = "energy") -> None:
        """Publish windows, one a minute, until all have been delivered."""
        for number in range(count):
            self.window(product, float(number))
            await self.clock.sleep(60.0)
        await until(lambda: self.outbox.queue("city").n == 0, VIRTUAL, step=1.0)

    def wish(self, first: int, last: int, **but: object) -> bytes:
        """Write a replay command."""
        said = {"v": 1, "k": "replay", "lid": self.outbox.lid, "product": "energy", "e": self.outbox.epoch,
                "from": first, "to": last}  # fmt: skip
        return json.dumps({key: one for key, one in (said | but).items() if one is not None}).encode()


@asynccontextmanager
async def site(  # noqa: PLR0913 - each by its name
    folder: Path,
    port: int,
    clock: Clock,
    *,
    commands: tuple[str, ...] = VERBS,
    rate: float = 50.0,
    clean: bool = True,
    but: Mapping[str, object] | None = None,
) -> AsyncIterator[Site]:
    """Open an outbox and run it with its uplink; *clean*: with an orderly stop at the end."""
    rig = Rig(port, *PRODUCTS, clock=clock, but={"rate": rate, "commands": commands} | dict(but or {}))
    outbox = await Outbox.open(folder, cap=8 << 20, keep=30 * 86400.0, clock=clock, boxed=False)
    made = Site(rig, outbox, clock)
    task = asyncio.ensure_future(outbox.run())
    try:
        async with rig.running():
            yield made
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        if clean:
            await outbox.close()
        else:
            outbox._store.abandon()


def answers(broker: FakeBroker) -> list[dict[str, Any]]:
    """Give the answers to commands, in order of arrival."""
    bodies = [json.loads(one.body) for one in broker.accepted if one.topic.startswith(f"{ROOT}/r")]
    return [one for one in bodies if one["k"] == "answer"]


def outcomes(broker: FakeBroker) -> list[tuple[str, str]]:
    """Give what became of commands, and why."""
    return [(one["is"], one.get("why", "")) for one in answers(broker)]


def again(broker: FakeBroker, product: str = "energy") -> list[Publish]:
    """Give what was sent once more."""
    return [one for one in broker.accepted if one.topic == f"{ROOT}/r/{product}"]


def first_time(broker: FakeBroker, product: str = "energy") -> list[Publish]:
    """Give what was sent as data."""
    return [one for one in broker.accepted if one.topic == f"{ROOT}/d/{product}"]


def numbers(sent: list[Publish]) -> list[int]:
    """Give the numbers of messages."""
    return [json.loads(one.body)["s"] for one in sent]
