"""The uplink on the real outbox, with a broker that answers as badly as it can: every number arrives."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from agent.core.clock import Clock, SystemClock
from agent.core.message import Encoding
from agent.core.plan import Plan
from agent.core.record import Aggregate
from agent.gate import Gate
from agent.outbox.outbox import Outbox
from agent.uplink.uplink import Uplink
from tests.agent.uplink.kit import PLACE, POLICY, ROOT, Rig, subscribed, until
from tests.peers import mosquitto as peer
from tests.peers.fake_broker import DISCONNECT, FakeBroker, Publish, fake_broker
from tests.virtual import VirtualClock

PRODUCTS = ("energy", "people")


class Site:
    """A gateway of two products for one recipient, without its devices."""

    def __init__(self, rig: Rig, outbox: Outbox, clock: Clock) -> None:
        self.rig = rig
        self.outbox = outbox
        self.clock = clock
        self.uplink = Uplink(rig.recipient, rig.native, outbox.feed("city"), rig.desk)
        rig.uplink = self.uplink
        rig.desk.queue = lambda: outbox.queue("city")
        products = tuple(rig.products.values())
        self.uplink.configure(products, rig.routes, POLICY, outbox.lid, outbox.epoch)
        self.task: asyncio.Task[None] | None = None  # what runs the uplink
        self.gate = Gate(products, rig.routes, UTC)

    def window(self, product: str, points: int = 1) -> None:
        """Publish one window."""
        now = self.clock.now()
        names = [f"meter.power{number or ''}" for number in range(points)]
        figures = [Aggregate(name, now.utc // 60 * 60, 60.0, 6, (1.0,)) for name in names]
        for cleared in self.gate.clear(product, figures, now):
            self.outbox.put(cleared)


@asynccontextmanager
async def site(  # noqa: PLR0913 - each by its name
    folder: Path,
    port: int,
    clock: Clock,
    *,
    rate: float = 50.0,
    cap: int = 8 << 20,
    encoding: Encoding | None = None,
    websocket: str = "",
) -> AsyncIterator[Site]:
    """Open an outbox and run it with its uplink; a clean stop at the end."""
    rig = Rig(port, *PRODUCTS, clock=clock, but={"rate": rate, "websocket": websocket}, encoding=encoding)
    encodings: dict[str, Encoding] = {"city": rig.native}
    outbox = await Outbox.open(folder, cap=cap, keep=86400.0, clock=clock, boxed=False)
    outbox.configure(
        Plan(
            place=PLACE, timezone="UTC", links=(), products=tuple(rig.products.values()), recipients=(),
            grants=(), routes=tuple(rig.routes), policy=POLICY,
        ),
        encodings,
    )  # fmt: skip
    made = Site(rig, outbox, clock)
    task = asyncio.ensure_future(outbox.run())
    try:
        async with rig.running() as made.task:
            yield made
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await outbox.close()


def numbers(broker: FakeBroker, product: str) -> list[tuple[int, int]]:
    """Give (epoch, seq) of what was accepted, in order of arrival."""
    bodies = [json.loads(one.body) for one in broker.accepted if one.topic.endswith(f"/d/{product}")]
    return [(one["e"], one["s"]) for one in bodies]


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_the_broker_answers_no_number_is_missing_in_the_end(
    virtual: VirtualClock, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    angry = True
    answers = [0, 0, 0, 0, 0, 0, 0x10, 0x87, 0x97, 0x83, None, DISCONNECT | 0x8B]

    def answer(message: Publish) -> int | None:
        return dice.choice(answers) if angry and "/d/" in message.topic else 0

    async with fake_broker(answer) as broker, site(tmp_path, broker.port, virtual) as running:
        for minute in range(120):
            running.window("energy")
            if minute % 3 == 0:
                running.window("people")
            if dice.random() < 0.1:
                broker.drop()
            await virtual.sleep(60.0)
        angry = False
        await until(lambda: running.outbox.queue("city").n == 0, 7200.0, step=1.0)
        assert running.uplink.words() == {"city.energy": "ok", "city.people": "ok"}
    assert set(numbers(broker, "energy")) == {(1, seq) for seq in range(1, 122)}  # 120 windows and a start
    assert set(numbers(broker, "people")) == {(1, seq) for seq in range(1, 42)}


async def test_what_expires_on_a_parked_route_is_declared_as_refused(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    refusing = True

    def answer(message: Publish) -> int | None:
        return 0x87 if refusing and message.topic.endswith("/d/people") else 0

    async with fake_broker(answer) as broker, site(tmp_path, broker.port, virtual) as running:
        for _ in range(90):  # routes of the rig are kept for one hour
            running.window("people")
            running.window("energy")
            await virtual.sleep(60.0)
        assert running.uplink.words() == {"city.energy": "ok", "city.people": "refused:0x87"}
        refusing = False
        await until(lambda: running.outbox.queue("city").n == 0, 7200.0, step=1.0)
    assert set(numbers(broker, "energy")) == {(1, seq) for seq in range(1, 92)}
    known = set(numbers(broker, "people"))
    lost = [one for body in gaps(broker, "people") for one in body["lost"]]
    assert lost[0]["why"] == "refused"
    assert lost[0]["n"] >= 25
    declared = {(one["e"], seq) for one in lost for seq in range(one["from"], one["to"] + 1)}
    last = max(seq for _, seq in known)
    assert known | declared == {(1, seq) for seq in range(1, last + 1)}
    assert not known & declared


def gaps(broker: FakeBroker, product: str) -> list[dict[str, Any]]:
    bodies = [json.loads(one.body) for one in broker.accepted if one.topic.endswith(f"/d/{product}")]
    return [body for body in bodies if body["k"] == "gap"]


async def test_a_restart_sends_nothing_that_was_acknowledged(virtual: VirtualClock, tmp_path: Path) -> None:
    async with fake_broker() as broker:
        for epoch in range(1, 4):
            async with site(tmp_path, broker.port, virtual) as running:
                running.window("energy")
                await until(lambda: (epoch, 2) in numbers(broker, "energy"), step=1.0)  # noqa: B023
        assert numbers(broker, "energy") == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]
        starts = [json.loads(one.body) for one in broker.accepted if b'"k":"start"' in one.body]
        assert all(one["prev"]["clean"] for one in starts if one["e"] == 3)


def points(broker: FakeBroker) -> list[str]:
    """Give the points of all batches, in order of arrival."""
    bodies = [json.loads(one.body) for one in broker.accepted if one.topic.endswith("/d/energy")]
    return [row[0] for body in bodies if body["k"] == "batch" for row in body["r"]]


WHOLE = [f"meter.power{number or ''}" for number in range(200)]


@pytest.mark.parametrize("announced", [True, False])
async def test_windows_are_split_at_the_size_that_the_broker_takes(
    virtual: VirtualClock, tmp_path: Path, *, announced: bool
) -> None:
    async with fake_broker() as broker:
        if announced:
            broker.maximum_packet = 2000
        else:
            broker.script = lambda one: 0x95 if len(one.body) > 3000 else 0
        async with site(tmp_path, broker.port, virtual) as running:
            await until(lambda: running.uplink.connected, step=1.0)
            for _ in range(5):
                running.window("energy", points=200)
                await virtual.sleep(60.0)
            await until(lambda: running.outbox.queue("city").n == (not announced), step=1.0)
            assert running.uplink.words()["city.energy"] == ("ok" if announced else "refused:0x95")
            seen = [seq for _, seq in numbers(broker, "energy")]
            assert seen == [seq for seq in range(1, max(seen) + 1) if announced or seq != 2]
            assert points(broker) == WHOLE * (5 if announced else 4)
    assert sum(len(one.body) > (1800 if announced else 3000) for one in broker.published) <= (not announced)


async def test_mosquittos_own_limit_is_kept(tmp_path: Path) -> None:
    with peer.mosquitto(tmp_path, more="max_packet_size 2000") as broker:
        async with subscribed(broker.port) as city, site(tmp_path, broker.port, SystemClock()) as running:
            await until(lambda: running.uplink.connected)
            running.window("energy", points=200)
            await until(lambda: any(WHOLE[-1].encode() in one for one in city.bodies(f"{ROOT}/d/energy")))
            assert running.uplink.words()["city.energy"] == "ok"
    batches = [json.loads(one) for one in city.bodies(f"{ROOT}/d/energy") if b'"batch"' in one]
    assert [row[0] for one in batches for row in one["r"]] == WHOLE
    assert [one["s"] for one in batches] == list(range(2, 2 + len(batches)))


async def test_what_is_made_without_the_broker_fits_it_when_it_is_back(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker:
        broker.maximum_packet = 2000
        async with site(tmp_path, broker.port, virtual) as running:
            await until(lambda: running.uplink.connected, step=1.0)
            running.window("people")
            await until(lambda: (1, 2) in numbers(broker, "people"), step=1.0)
        async with site(tmp_path, broker.port, virtual) as running:  # a new process
            running.window("energy", points=200)
            assert not running.uplink.connected
            await until(lambda: points(broker)[-1:] == WHOLE[-1:], 3600.0, step=1.0)
            assert running.uplink.words()["city.energy"] == "ok"
        assert points(broker) == WHOLE


@pytest.mark.parametrize("announced", [True, False])
async def test_a_message_above_the_brokers_limit_holds_up_no_other_and_is_declared(
    virtual: VirtualClock, tmp_path: Path, *, announced: bool
) -> None:
    async with fake_broker() as broker:
        if announced:
            broker.maximum_packet = 3000
        else:
            broker.script = lambda one: 0x95 if len(one.body) > 2400 else 0
        async with site(tmp_path, broker.port, virtual) as running:
            for number in range(30):  # made before the broker was ever met
                running.window("energy", points=200 if number in (3, 7) else 1)
            await until(lambda: (1, 31) in numbers(broker, "energy"), step=1.0)
            assert running.uplink.words()["city.energy"] == "refused:0x95"
            assert running.outbox.queue("city").n == 2
            seen = [seq for _, seq in numbers(broker, "energy")]
            assert sorted(seen) == [seq for seq in range(1, 32) if seq not in (5, 9)]
            await virtual.sleep(7200.0)  # routes of the rig are kept for one hour
            await until(lambda: running.outbox.queue("city").n == 0, 7200.0, step=1.0)
            running.window("energy", points=200)
            await until(lambda: points(broker)[-1:] == WHOLE[-1:], 7200.0, step=1.0)
            assert running.uplink.words()["city.energy"] == "ok"
    lost = [one for body in gaps(broker, "energy") for one in body["lost"]]
    assert {(one["why"], one["from"], one["to"]) for one in lost} == {("refused", 5, 5), ("refused", 9, 9)}
    assert len([one for one in broker.published if len(one.body) > 2400]) <= (0 if announced else 20)


async def test_a_limit_that_is_raised_lets_everything_through(virtual: VirtualClock, tmp_path: Path) -> None:
    async with fake_broker() as broker:
        broker.maximum_packet = 3000
        async with site(tmp_path, broker.port, virtual) as running:
            for number in range(100):  # made before the broker was ever met
                running.window("energy", points=200 if number >= 2 else 1)
            await until(lambda: running.uplink.words()["city.energy"] == "refused:0x95", step=1.0)
            await virtual.sleep(60.0)
            assert running.outbox.queue("city").n == 98
            broker.maximum_packet = 0
            broker.drop()
            await until(lambda: running.outbox.queue("city").n == 0, 7200.0, step=1.0)
            assert running.uplink.words()["city.energy"] == "ok"
    assert set(numbers(broker, "energy")) == {(1, seq) for seq in range(1, 102)}
