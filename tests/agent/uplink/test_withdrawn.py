"""What is left of a route whose grant was withdrawn disturbs no other, and the city learns what is gone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from agent.core.message import Head
from agent.core.plan import Plan
from tests.agent.uplink.kit import PLACE, POLICY, Rig, row_of, until
from tests.agent.uplink.test_real_outbox import Site, gaps, site
from tests.peers.fake_broker import Publish, fake_broker
from tests.virtual import VirtualClock


def withdraw(running: Site, product: str) -> None:
    """Take the grant of *product* back, as a reload does."""
    rig = running.rig
    rig.routes = [one for one in rig.routes if one.product != product]
    running.outbox.configure(
        Plan(
            place=PLACE, timezone="UTC", links=(), products=tuple(rig.products.values()), recipients=(),
            grants=(), routes=tuple(rig.routes), policy=POLICY,
        ),
        {"city": rig.native},
    )  # fmt: skip
    products = tuple(rig.products.values())
    running.uplink.configure(products, rig.routes, POLICY, running.outbox.lid, running.outbox.epoch)


async def test_a_broker_that_refuses_even_the_last_word_of_a_withdrawn_route_is_no_matter(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    refusing = True

    def answer(message: Publish) -> int | None:
        return 0x87 if refusing and message.topic.endswith("/d/people") else 0

    async with fake_broker(answer) as broker, site(tmp_path, broker.port, virtual) as running:
        running.window("people")
        await until(lambda: running.uplink.words()["city.people"] == "refused:0x87", step=1.0)
        withdraw(running, "people")
        await virtual.sleep(1800.0)
        assert len(broker.connects) == 1
        assert running.uplink.words() == {"city.energy": "ok"}
        refusing = False
        await until(lambda: running.outbox.queue("city").n == 0, 7200.0, step=1.0)
        assert [loss["why"] for body in gaps(broker, "people") for loss in body["lost"]] == ["ttl"]


async def test_an_answer_that_comes_after_the_withdrawal_is_no_matter(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await broker.until(lambda: sum(b'"start"' in one.body for one in broker.accepted) == 2)
        broker.script = lambda one: None if one.topic.endswith("/d/people") else 0
        running.window("people")
        await broker.until(lambda: b'"batch"' in broker.published[-1].body)
        withdraw(running, "people")
        broker.drop()
        broker.script = lambda one: 0x10 if one.topic.endswith("/d/people") else 0
        await virtual.sleep(300.0)
        running.window("energy")
        await until(lambda: len([one for one in broker.accepted if b'"batch"' in one.body]) == 1, step=1.0)


async def test_the_probe_of_a_route_is_a_message_of_that_route(virtual: VirtualClock) -> None:
    refusing = True

    def answer(message: Publish) -> int | None:
        return 0x87 if refusing and message.topic.endswith("/d/energy") else 0

    async with fake_broker(answer) as broker:
        rig = Rig(broker.port, clock=virtual)
        energy = rig.rows(3)
        rig.feed.put(energy)
        async with rig.running():
            await rig.until(lambda: rig.uplink.words()["city.energy"] == "refused:0x87")
            last = rig.native.start("people", Head(epoch=7, seq=1, policy=POLICY), None)
            assert last is not None
            gone = replace(row_of(last, "city.people", 1, now=virtual.now()), id=1)
            broker.drop()
            rig.feed.put([gone])
            refusing = False
            await rig.until(lambda: len(rig.feed.done) == 4)
            assert rig.uplink.words()["city.energy"] == "ok"


async def test_what_waited_when_a_grant_ended_is_declared_to_its_recipient(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await broker.until(lambda: sum(b'"start"' in one.body for one in broker.accepted) == 2)
        broker.script = lambda one: 0x10 if one.topic.endswith("/d/people") else 0
        running.window("people")
        today = datetime.fromtimestamp(virtual.now().utc, UTC).date()
        running.rig.routes = [replace(one, until=today, keep=1e7) for one in running.rig.routes]
        withdraw(running, "nothing")
        await virtual.sleep(86400.0)
        running.rig.desk.expired = lambda: frozenset({"city.energy", "city.people"})
        broker.script = lambda _: 0
        await until(lambda: bool(gaps(broker, "people")), 7200.0, step=1.0)
        assert running.uplink.words()["city.people"] == "expired"
        lost = {
            (one["why"], one["from"], one["to"]) for body in gaps(broker, "people") for one in body["lost"]
        }
        assert lost == {("ttl", 2, 2)}


async def test_the_birth_of_a_withdrawn_route_is_taken_back(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        rig = Rig(broker.port, "energy", "people", clock=virtual)
        async with rig.running():
            await rig.until(lambda: rig.uplink.connected and bool(births(broker.accepted)))
            rig.routes = rig.routes[:1]
            rig.configure()
            await broker.until(lambda: births(broker.accepted) == {"energy"}, patience=2.0)
            broker.drop()
            await broker.until(lambda: len(broker.connects) == 2)
        assert births(broker.accepted) == {"energy"}
        assert sum(not one.body for one in broker.published) == 1


async def test_a_withdrawal_while_the_broker_is_away_is_told_when_it_returns(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        rig = Rig(broker.port, "energy", "people", clock=virtual)
        async with rig.running():
            await rig.until(lambda: rig.uplink.connected and bool(births(broker.accepted)))
            broker.drop()
            rig.routes = rig.routes[1:]
            rig.configure()
            await broker.until(lambda: births(broker.accepted) == {"people"}, patience=30.0)


async def test_a_recipient_that_is_left_for_good_keeps_no_birth(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        rig = Rig(broker.port, "energy", "people", clock=virtual)
        async with rig.running():
            await rig.until(lambda: rig.uplink.connected and bool(births(broker.accepted)))
            rig.routes = []
            rig.configure()
        await broker.until(lambda: broker.goodbyes == 1)
        assert births(broker.accepted) == set()


def births(accepted: list[Publish]) -> set[str]:
    """Give the products whose births the broker retains."""
    retained = {one.topic: one.body for one in accepted if one.retain and "/b/" in one.topic}
    return {topic.rpartition("/")[2] for topic, body in retained.items() if body}
