"""What a recipient has had is sent once more on demand: the same bytes, to nobody else, and nothing new."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.core.command import MOST
from agent.outbox.ledger import rows, verify
from tests.agent.uplink.kit import ROOT, until
from tests.agent.uplink.replaying import (
    KEEP,
    VIRTUAL,
    again,
    answers,
    first_time,
    numbers,
    outcomes,
    site,
)
from tests.peers.fake_broker import FakeBroker, Publish, fake_broker
from tests.virtual import VirtualClock

REPLAY = f"{ROOT}/c/replay"


async def ended(broker: FakeBroker, count: int = 1) -> None:
    """Wait until *count* commands have come to their end."""
    ends = ("done", "refused", "stopped")
    await until(lambda: sum(one in ends for one, _ in outcomes(broker)) >= count, VIRTUAL, step=1.0)


async def test_the_same_bytes_with_the_same_id_come_again_on_a_topic_of_their_own(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(10)
        broker.tell(REPLAY, running.wish(3, 7))
        await ended(broker)
        before = {json.loads(one.body)["s"]: one for one in first_time(broker)}
        assert len(first_time(broker)) == 11  # a start and ten windows: nothing of it twice
    assert numbers(again(broker)) == [3, 4, 5, 6, 7]
    for one in again(broker):
        known = before[json.loads(one.body)["s"]]
        assert one.body == known.body
        assert [pair for pair in one.user if pair[0] != "h"] == known.user
        assert ("h", "1") in one.user
        assert not one.retain
    begun, done = answers(broker)
    assert (begun["re"], begun["is"], begun["of"]["from"], begun["of"]["to"]) == ("replay", "begun", 3, 7)
    assert (done["is"], done["n"], done["gone"], done["waits"]) == ("done", 5, [], [])


async def test_without_leave_nobody_listens(virtual: VirtualClock, tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual, commands=()) as running:
        await running.windows(3)
        assert broker.subscribed == []


async def test_only_the_verb_that_is_allowed_is_heard(virtual: VirtualClock, tmp_path: Path) -> None:
    async with (
        fake_broker() as broker,
        site(tmp_path, broker.port, virtual, commands=("rebirth",)) as running,
    ):
        await running.windows(3)
        assert broker.subscribed == [f"{ROOT}/c/rebirth"]
        broker.tell(REPLAY, running.wish(1, 2))  # a broker may say what it likes
        broker.tell(f"{ROOT}/c/rebirth", b'{"v":1,"k":"rebirth"}')
        await ended(broker)
    assert outcomes(broker) == [("done", "")]
    assert again(broker) == []


async def test_a_rebirth_tells_births_and_status_anew(virtual: VirtualClock, tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(1)
        seen = len(broker.accepted)
        broker.tell(f"{ROOT}/c/rebirth", b'{"v":1,"k":"rebirth"}')
        await ended(broker)
        told = [one.topic for one in broker.accepted[seen:]]
    assert {f"{ROOT}/b/energy", f"{ROOT}/b/people", f"{ROOT}/s"} <= set(told)


async def test_what_was_never_delivered_is_not_sent_by_a_replay(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    refusing = True

    def answer(message: Publish) -> int:
        return 0x87 if refusing and message.topic.endswith("/d/energy") else 0

    async with fake_broker(answer) as broker, site(tmp_path, broker.port, virtual) as running:
        for _ in range(5):
            running.window()
            await virtual.sleep(60.0)
        broker.tell(REPLAY, running.wish(1, 9))
        await ended(broker)
        assert again(broker) == []
        assert answers(broker)[-1]["waits"] == [[1, 9]]
        refusing = False
        await until(lambda: running.outbox.queue("city").n == 0, 7200.0, step=1.0)
    assert sorted(numbers(first_time(broker))) == [1, 2, 3, 4, 5, 6]


async def test_nothing_of_a_product_comes_that_is_not_granted(virtual: VirtualClock, tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(3, "people")
        running.configure(running.route("energy"))
        for product in ("people", "no-such-thing"):
            broker.tell(REPLAY, running.wish(1, 3, product=product))
        await ended(broker, 2)
    assert outcomes(broker) == [("refused", "product")] * 2
    one, other = answers(broker)
    assert "of" not in one  # the answer to what is not granted and to what is not there is the same
    assert {key: one[key] for key in ("why", "text")} == {key: other[key] for key in ("why", "text")}
    assert again(broker, "people") == []


async def test_a_grant_that_was_withdrawn_and_given_anew_opens_nothing_of_before(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(3)
        running.configure(running.route("people"))
        await virtual.sleep(60.0)
        running.configure()
        await running.windows(2)
        broker.tell(REPLAY, running.wish(1, 6))
        await ended(broker)
    assert numbers(again(broker)) == [5, 6]
    assert answers(broker)[-1]["gone"] == [[1, 4]]


async def test_what_went_to_another_broker_is_not_sent_again_to_this_one(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        running.configure(host="10.0.0.7")
        await running.windows(3)
        running.configure()
        await running.windows(1)
        broker.tell(REPLAY, running.wish(1, 5))
        await ended(broker)
    assert numbers(again(broker)) == [5]
    assert answers(broker)[-1]["gone"] == [[1, 4]]


@pytest.mark.long
async def test_what_the_recipient_has_to_have_deleted_is_gone(virtual: VirtualClock, tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(5)
        await virtual.sleep(KEEP - 600.0)
        await running.windows(7)
        broker.tell(REPLAY, running.wish(1, 12))
        await ended(broker)
    sent = again(broker)
    done = answers(broker)[-1]
    assert len(sent) + sum(last - first + 1 for first, last in done["gone"]) == 12
    assert done["gone"]
    for one in sent:  # what is left of its life travels with it
        expiry = one.properties[0x02]
        assert isinstance(expiry, int)
        assert 0 < expiry <= KEEP


@pytest.mark.long
async def test_after_the_last_day_of_a_grant_nothing_comes_again(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        today = datetime.fromtimestamp(virtual.now().utc, UTC).date()
        midnight = datetime(today.year, today.month, today.day, tzinfo=UTC) + timedelta(days=1)
        await virtual.sleep(midnight.timestamp() - virtual.now().utc - 1800.0)
        running.configure(running.route("energy", until=today))
        running.window("energy")
        await running.windows(3)
        await virtual.sleep(midnight.timestamp() - virtual.now().utc + 5.0)
        broker.tell(REPLAY, running.wish(1, 4))
        await ended(broker)
    assert again(broker) == []
    assert answers(broker)[-1]["gone"] == [[1, 4]]


@pytest.mark.parametrize("clean", [True, False])
async def test_a_replay_goes_on_after_a_restart(
    virtual: VirtualClock, tmp_path: Path, *, clean: bool
) -> None:
    async with fake_broker() as broker:
        async with site(tmp_path, broker.port, virtual, clean=clean) as running:
            await running.windows(80)
            broker.tell(REPLAY, running.wish(2, 70))
            await until(lambda: len(again(broker)) > 5, VIRTUAL, step=0.1)
            await virtual.sleep(3.0)
            assert len(again(broker)) < 60
        async with site(tmp_path, broker.port, virtual):
            await ended(broker)
    assert set(numbers(again(broker))) == set(range(2, 71))
    assert answers(broker)[-1]["of"]["to"] == 70
    # after a crash what had been answered may come twice, like any message
    assert list(dict.fromkeys(one for one, _ in outcomes(broker))) == ["begun", "done"]


async def test_a_replay_goes_on_after_a_lost_connection(virtual: VirtualClock, tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(100)
        broker.tell(REPLAY, running.wish(2, 90))
        for most in (20, 50):
            await until(lambda: len(again(broker)) > most, VIRTUAL, step=0.1)  # noqa: B023
            broker.drop()
        await ended(broker)
    sent = numbers(again(broker))
    assert set(sent) == set(range(2, 91))
    assert len(sent) <= 89 + 2 * 4  # what was under way, at most, comes twice


async def test_live_data_never_wait_for_a_replay_and_its_rate_is_bounded(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual, rate=10.0) as running:
        await running.windows(120)
        broker.tell(REPLAY, running.wish(2, 119))
        begin, waits = virtual.boot(), []
        while not any(one == "done" for one, _ in outcomes(broker)):
            running.window()
            put, seen = virtual.boot(), len(first_time(broker))
            await until(lambda: len(first_time(broker)) > seen, VIRTUAL, step=0.05)  # noqa: B023
            waits.append(virtual.boot() - put)
            await virtual.sleep(5.0)
        took = virtual.boot() - begin
    assert max(waits) < 2.5  # a commit may take a second
    assert 118 / 2.0 * 0.8 < took < 118 / 2.0 * 1.5  # a fifth of ten a second


async def test_a_replay_waits_until_the_backlog_is_drained(virtual: VirtualClock, tmp_path: Path) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual, rate=10.0) as running:
        await running.windows(60)
        broker.tell(REPLAY, running.wish(2, 60))
        await until(lambda: len(again(broker)) >= 5, VIRTUAL, step=0.05)
        broker.welcome = 0x88
        broker.drop()
        for _ in range(100):
            running.window()
        await virtual.sleep(3.0)
        broker.welcome, sent = 0, len(again(broker))
        await until(lambda: len(first_time(broker)) >= 161, VIRTUAL, step=0.02)
        assert len(again(broker)) <= sent + 1
        await ended(broker)


async def test_what_nobody_reads_is_not_poured_out(virtual: VirtualClock, tmp_path: Path) -> None:
    def answer(message: Publish) -> int:
        return 0x10 if message.topic.startswith(f"{ROOT}/r") else 0

    async with fake_broker(answer) as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(20)
        broker.tell(REPLAY, running.wish(2, 20))
        await ended(broker)
        assert running.uplink.words() == {"city.energy": "ok", "city.people": "ok"}
        assert running.outbox.queue("city").n == 0  # an answer that nobody reads waits for nobody
    assert outcomes(broker)[-1] == ("stopped", "unread")
    assert len(again(broker)) <= 4


async def test_a_broker_that_refuses_the_topic_hinders_no_other(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    def answer(message: Publish) -> int:
        return 0x87 if message.topic.startswith(f"{ROOT}/r/") else 0

    async with fake_broker(answer) as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(5)
        broker.tell(REPLAY, running.wish(2, 5))
        await ended(broker)
        await running.windows(2)
        assert running.uplink.words()["city.energy"] == "ok"
    assert outcomes(broker)[-1] == ("stopped", "broker")


async def test_replays_are_made_one_after_the_other_and_beyond_four_refused(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(50)
        for number in range(5):
            broker.tell(REPLAY, running.wish(10 * number + 1, 10 * number + 10))
        await ended(broker, 5)
    assert outcomes(broker).count(("refused", "busy")) == 1
    assert numbers(again(broker)) == list(range(1, 41))


async def test_what_the_gateway_has_long_deleted_is_declared_gone(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(2)
        broker.tell(REPLAY, running.wish(1, MOST, e=running.outbox.epoch - 1))
        await ended(broker)
    assert answers(broker)[-1]["gone"] == [[1, MOST]]


async def test_the_ledger_says_what_was_asked_and_what_was_sent_again(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async with fake_broker() as broker, site(tmp_path, broker.port, virtual) as running:
        await running.windows(5)
        broker.tell(REPLAY, running.wish(2, 4))
        await ended(broker)
        await virtual.sleep(5.0)
    kept = [one for one in rows(tmp_path / "outbox.db") if one.kind == "answer"]
    said = [json.loads(one.body or b"") for one in kept]
    assert [(one["is"], one["of"]["from"], one["of"]["to"]) for one in said] == [
        ("begun", 2, 4),
        ("done", 2, 4),
    ]
    assert said[1]["n"] == 3
    assert {one.recipient for one in kept} == {"city"}
    assert verify(tmp_path / "outbox.db").holds


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 40))])
async def test_whatever_is_asked_only_what_had_been_delivered_comes_and_each_number_is_accounted_for(
    virtual: VirtualClock, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    angry = True

    def answer(message: Publish) -> int | None:
        bad = angry and "/d/" in message.topic
        return dice.choice([0, 0, 0, 0, 0x10, 0x87, 0x97, None]) if bad else 0

    async with fake_broker(answer) as broker, site(tmp_path, broker.port, virtual) as running:
        for _ in range(80):
            running.window("energy")
            if dice.random() < 0.3:
                running.window("people")
            if dice.random() < 0.05:
                broker.drop()
            await virtual.sleep(60.0)
        first, last = sorted(dice.sample(range(1, 81), 2))
        had = {(one.topic.rpartition("/")[2], one.body) for one in broker.accepted if "/d/" in one.topic}
        broker.tell(REPLAY, running.wish(first, last))
        await ended(broker)
        angry = False
        sent, done = again(broker), answers(broker)[-1]
        assert {("energy", one.body) for one in sent} <= had
        told = {*numbers(sent)}
        for begin, end in [*done["gone"], *done["waits"]]:
            told |= {*range(begin, end + 1)}
        assert told == set(range(first, last + 1))
        assert done["n"] == len(sent)
