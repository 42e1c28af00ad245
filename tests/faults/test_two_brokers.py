"""Two brokers at once, with different products, encodings and fates: one is dead for hours or days."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.core.errors import UplinkError
from agent.core.message import Encoding
from agent.core.plan import Plan
from agent.core.record import Aggregate
from agent.encodings.native import Native
from agent.encodings.senml import Senml
from agent.gate import Gate
from agent.outbox.outbox import Outbox
from agent.uplink.uplink import Uplink
from tests.agent.uplink.kit import PLACE, POLICY, Rig, until
from tests.peers.fake_broker import FakeBroker, fake_broker
from tests.peers.mosquitto import free_port
from tests.virtual import VirtualClock

KEEP = 5 * 86400.0


def rig(name: str, port: int, product: str, clock: VirtualClock) -> Rig:
    made = Rig(port, product, clock=clock, but={"name": name, "rate": 50.0})
    made.routes = [replace(one, keep=KEEP) for one in made.routes]
    return made


@asynccontextmanager
async def running(uplink: Uplink, clock: VirtualClock) -> AsyncIterator[None]:
    """Run it, and again a minute after each failure."""

    async def forever() -> None:
        while True:
            try:
                await uplink.run()
            except UplinkError:
                await clock.sleep(60.0)

    task = asyncio.ensure_future(forever())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def seen(broker: FakeBroker, product: str) -> list[str]:
    """Give the ids of a product's messages, in order of arrival."""
    found = [one for one in broker.accepted if any(name == "id" for name, _ in one.user)]
    ids = [dict(one.user)["id"] for one in found]
    assert {one.split("/")[2] for one in ids} <= {product}, "a product went to the wrong recipient"
    return ids


@pytest.mark.parametrize("minutes", [120, pytest.param(2 * 24 * 60, marks=pytest.mark.long)])
async def test_a_broker_that_is_dead_for_days_leaves_the_other_alone_and_misses_nothing(
    virtual: VirtualClock, tmp_path: Path, minutes: int
) -> None:
    async with fake_broker() as near, fake_broker() as far:
        city = rig("city", near.port, "energy", virtual)
        lab = rig("lab", free_port(), "people", virtual)
        encodings: dict[str, Encoding] = {"city": Native(PLACE), "lab": Senml(PLACE)}
        products, routes = (*city.products.values(), *lab.products.values()), (*city.routes, *lab.routes)
        outbox = await Outbox.open(tmp_path, cap=32 << 20, keep=KEEP, clock=virtual, boxed=False)
        plan = Plan(
            place=PLACE, timezone="UTC", links=(), products=products, recipients=(), grants=(), routes=routes,
            policy=POLICY,
        )  # fmt: skip
        outbox.configure(plan, encodings)
        gate, task = Gate(products, routes, UTC), asyncio.ensure_future(outbox.run())
        ways = {
            one.recipient.name: Uplink(
                one.recipient, encodings[one.recipient.name], outbox.feed(one.recipient.name), one.desk
            )
            for one in (city, lab)
        }
        for one in ways.values():
            one.configure(products, routes, POLICY, outbox.lid, outbox.epoch)

        def window() -> None:
            now = virtual.now()
            figure = Aggregate("meter.power", now.utc // 60 * 60, 60.0, 6, (1.0,))
            for product in ("energy", "people"):
                for cleared in gate.clear(product, [figure], now):
                    outbox.put(cleared)

        async with running(ways["city"], virtual):
            async with running(ways["lab"], virtual):
                for _ in range(minutes):
                    window()
                    await virtual.sleep(60.0)
                    assert outbox.queue("city").n <= 1, "the dead broker holds up the other"
            assert outbox.queue("lab").n >= minutes
            again = Uplink(
                replace(lab.recipient, port=far.port), encodings["lab"], outbox.feed("lab"), lab.desk
            )
            again.configure(products, routes, POLICY, outbox.lid, outbox.epoch)
            async with running(again, virtual):
                begun = virtual.boot()
                await until(lambda: outbox.queue("lab").n == 0, 3600.0, step=1.0)
                took = virtual.boot() - begun
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await outbox.close()
    assert seen(near, "energy") == [f"gw1/1/energy/{seq}" for seq in range(1, minutes + 2)]
    assert seen(far, "people") == [f"gw1/1/people/{seq}" for seq in range(1, minutes + 2)]
    assert took <= 1.2 * minutes / 40.0 + 2.0, "four fifths of the rate are the backlog's"
    assert all(json.loads(one.body) for one in far.accepted if one.topic.startswith("senml/"))
