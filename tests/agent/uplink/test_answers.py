"""What the broker answers decides what the outbox may forget."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from agent.uplink.timing import Timing
from tests.agent.uplink.kit import ROOT, Rig, older
from tests.peers.fake_broker import DISCONNECT, Publish, fake_broker
from tests.virtual import VirtualClock


def is_data(message: Publish) -> bool:
    return "/d/" in message.topic


async def test_birth_and_status_come_before_data(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.put(2)
        async with rig.running():
            await rig.until(lambda: len(rig.feed.done) == 2)
        topics = [one.topic.removeprefix(ROOT) for one in broker.published]
        assert topics[:4] == ["/b/energy", "/s", "/d/energy", "/d/energy"]
        assert broker.published[0].retain
        assert broker.published[1].retain
        assert not broker.published[2].retain


async def test_a_message_carries_its_id_its_policy_its_type_and_its_remaining_life(
    virtual: VirtualClock,
) -> None:
    async with fake_broker() as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.feed.put([older(one, 0) for one in rig.rows(1, keep=600.0)])
        async with rig.running():
            await rig.until(lambda: len(rig.feed.done) == 1)
        (sent,) = filter(is_data, broker.published)
        assert sent.properties[0x01] == 1
        assert sent.properties[0x03] == "application/json"
        assert isinstance(sent.properties[0x02], int)
        assert 595 <= sent.properties[0x02] <= 600
        assert sent.user[:2] == [("id", "gw1/7/energy/1"), ("policy", "3b683cb786f6")]


async def test_what_waited_is_marked_as_history_and_what_is_fresh_is_not(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.put(1)
        async with rig.running():
            await rig.until(lambda: len(rig.feed.done) == 1)
            rig.put(1)
            await rig.until(lambda: len(rig.feed.done) == 2)
        old, fresh = filter(is_data, broker.published)
        assert ("h", "1") in old.user
        assert ("h", "1") not in fresh.user


async def test_an_expired_row_is_never_sent_and_never_asked_for_in_a_circle(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.feed.put([older(one, 7200) for one in rig.rows(1)])
        async with rig.running():
            rig.put(1)
            await rig.until(lambda: len(rig.feed.done) == 1)
            await rig.until(lambda: rig.uplink.figures["unanswered"] == 0)
            before = rig.feed.takes
            await virtual.sleep(30)
            assert rig.feed.takes - before <= 62
        assert len(list(filter(is_data, broker.published))) == 1
        assert [row.seq for row in rig.feed.left] == [1]


async def test_a_withheld_answer_moves_no_cursor_and_the_link_is_given_up(virtual: VirtualClock) -> None:
    async with fake_broker(lambda one: None if is_data(one) and one.n < 10 else 0) as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.put(3)
        async with rig.running():
            await broker.until(lambda: len(broker.connects) == 2)
            assert rig.feed.done == []
            broker.script = lambda _: 0
            await rig.until(lambda: len(rig.feed.done) == 3)
        assert "has not answered" in rig.errors[0]
        assert rig.feed.left == []


async def test_a_lost_connection_fails_every_waiting_answer_at_once(virtual: VirtualClock) -> None:
    async with fake_broker(lambda one: None if is_data(one) else 0) as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.put(5)
        async with rig.running():
            await broker.until(lambda: sum(map(is_data, broker.published)) == 5)
            lost = virtual.boot()
            broker.drop()
            await rig.until(lambda: len(rig.errors) >= 1)
            assert virtual.boot() - lost < 0.5
            assert [row.seq for row in rig.feed.left] == [1, 2, 3, 4, 5]


async def test_receive_maximum_is_honoured(virtual: VirtualClock) -> None:
    async with fake_broker(lambda _: None, receive_maximum=3) as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.put(30)
        async with rig.running():
            await rig.until(lambda: len(rig.errors) >= 1)
        assert broker.most_waiting == 3


async def test_receive_maximum_one_still_delivers_everything_in_order(virtual: VirtualClock) -> None:
    async with fake_broker(receive_maximum=1) as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.put(30)
        async with rig.running():
            await rig.until(lambda: len(rig.feed.done) == 30)
        assert [row.seq for row in rig.feed.done] == list(range(1, 31))
        assert broker.most_waiting == 1


async def test_a_refused_route_is_parked_while_the_other_goes_on(virtual: VirtualClock) -> None:
    refused = "/d/people"
    async with fake_broker(lambda one: 0x87 if one.topic.endswith(refused) else 0) as broker:
        rig = Rig(broker.port, "energy", "people", clock=virtual)
        async with rig.running():
            await rig.until(lambda: rig.uplink.connected)
            rig.put(5, "people")
            rig.put(5)
            await rig.until(lambda: len(rig.feed.done) == 5)
            rig.put(5, "people")
            rig.put(5)
            await rig.until(lambda: len(rig.feed.done) == 10)
            assert rig.uplink.words() == {"city.energy": "ok", "city.people": "refused:0x87"}
            assert rig.feed.refused == {"city.people"}
            await broker.until(lambda: b'"people":"refused:0x87"' in last_status(broker.published))
        assert len(rig.feed.left) == 10
        assert {row.route for row in rig.feed.done} == {"city.energy"}
        assert sum(one.topic.endswith(refused) for one in broker.published) <= 5


async def test_a_parked_route_is_probed_with_one_message_and_recovers(virtual: VirtualClock) -> None:
    refusing = True
    async with fake_broker(lambda one: 0x87 if refusing and is_data(one) else 0) as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.put(8)
        async with rig.running():
            await rig.until(lambda: rig.uplink.words()["city.energy"] == "refused:0x87")
            first = sum(map(is_data, broker.published))
            await broker.until(lambda: sum(map(is_data, broker.published)) == first + 2, patience=2000.0)
            assert broker.waiting == 0
            refusing = False
            await rig.until(lambda: len(rig.feed.done) == 8)
            assert rig.uplink.words()["city.energy"] == "ok"
        assert [row.seq for row in rig.feed.done] == list(range(1, 9))


async def test_a_parked_route_is_probed_at_reconnect(virtual: VirtualClock) -> None:
    refusing = True
    async with fake_broker(lambda one: 0x87 if refusing and is_data(one) else 0) as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.put(3)
        async with rig.running():
            await rig.until(lambda: rig.uplink.words()["city.energy"] == "refused:0x87")
            refusing = False
            broker.drop()
            await rig.until(lambda: len(rig.feed.done) == 3)
        assert len(broker.connects) == 2


async def test_nobody_subscribed_holds_the_route_until_somebody_has(virtual: VirtualClock) -> None:
    alone = True
    async with fake_broker(lambda one: 0x10 if alone and is_data(one) else 0) as broker:
        rig = Rig(broker.port, clock=virtual)
        async with rig.running():
            rig.put(4)
            await rig.until(lambda: rig.uplink.words()["city.energy"] == "held")
            rig.put(4)
            await broker.until(lambda: b'"energy":"held"' in last_status(broker.published))
            assert rig.feed.done == []
            alone = False
            await rig.until(lambda: len(rig.feed.done) == 8)
        seen = [row.seq for row in rig.feed.done]
        assert sorted(seen) == list(range(1, 9))
        assert [seq for seq in seen if seq <= 4] == [1, 2, 3, 4]  # the backlog, oldest first; live before it
        assert all(("h", "1") in one.user for one in broker.accepted if is_data(one))


async def test_nobody_subscribed_counts_as_delivered_where_that_was_chosen(virtual: VirtualClock) -> None:
    async with fake_broker(lambda _: 0x10) as broker:
        rig = Rig(broker.port, clock=virtual, but={"on_no_subscriber": "deliver"})
        rig.put(4)
        async with rig.running():
            await rig.until(lambda: len(rig.feed.done) == 4)
            assert rig.uplink.words()["city.energy"] == "ok"


async def test_a_quota_slows_down_and_loses_nothing(virtual: VirtualClock) -> None:
    async with fake_broker(lambda one: 0x97 if is_data(one) and one.n % 5 == 0 else 0) as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.put(30)
        async with rig.running():
            await rig.until(lambda: len(rig.feed.done) == 30)
            assert rig.uplink.words()["city.energy"] == "ok"
        assert sorted(row.seq for row in rig.feed.done) == list(range(1, 31))


async def test_what_was_overtaken_by_newer_rows_is_told_as_history(virtual: VirtualClock) -> None:
    slow = True
    async with fake_broker(
        lambda one: 0x97 if slow and is_data(one) and id_of(one).endswith("/1") else 0
    ) as broker:
        rig = Rig(broker.port, clock=virtual)
        async with rig.running():
            await rig.until(lambda: rig.uplink.connected)
            await virtual.sleep(1)
            rig.put(3)
            await rig.until(lambda: len(rig.feed.done) == 2)
            slow = False
            await rig.until(lambda: len(rig.feed.done) == 3)
        told = {id_of(one)[-1]: ("h", "1") in one.user for one in broker.accepted if is_data(one)}
        assert told == {"2": False, "3": False, "1": True}


def id_of(one: Publish) -> str:
    """Give the id of a data message."""
    return dict(one.user).get("id", "")


async def test_an_odd_refusal_is_tried_again(virtual: VirtualClock) -> None:
    async with fake_broker(lambda one: 0x80 if is_data(one) and one.n < 6 else 0) as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.put(2)
        async with rig.running():
            await rig.until(lambda: rig.uplink.words()["city.energy"] == "refused:0x80")
            await rig.until(lambda: len(rig.feed.done) == 2)
            assert rig.uplink.words()["city.energy"] == "ok"


@pytest.mark.parametrize("reason", [0x93, 0x9B, 0xA2, 0xFF])
async def test_a_reason_that_is_none_for_a_message_does_not_end_the_connection(
    virtual: VirtualClock, reason: int
) -> None:
    async with fake_broker(lambda one: reason if is_data(one) and one.n < 6 else 0) as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.put(2)
        async with rig.running():
            await rig.until(lambda: rig.uplink.words()["city.energy"] == f"refused:0x{reason:02x}")
            await rig.until(lambda: len(rig.feed.done) == 2)
        assert len(broker.connects) == 1


async def test_a_twin_with_our_name_stops_us_until_a_reload(virtual: VirtualClock) -> None:
    taken = True
    async with fake_broker(lambda one: DISCONNECT | 0x8E if taken and is_data(one) else 0) as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.put(1)
        async with rig.running():
            await rig.until(lambda: "stopped" in rig.uplink.figures)
            await virtual.sleep(1800)
            assert len(broker.connects) == 1
            taken = False
            rig.configure()
            await rig.until(lambda: len(rig.feed.done) == 1)
        assert "same client id" in rig.errors[0]


async def test_other_reasons_of_the_broker_to_leave_end_the_connection_with_a_sentence(
    virtual: VirtualClock,
) -> None:
    async with fake_broker(lambda one: DISCONNECT | 0x8B if is_data(one) and one.n < 5 else 0) as broker:
        rig = Rig(broker.port, clock=virtual)
        rig.put(1)
        async with rig.running():
            await rig.until(lambda: len(rig.feed.done) == 1)
        assert "shutting down (0x8b)" in rig.errors[0]


async def test_a_message_too_large_for_this_broker_is_not_sent_again_and_again(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        broker.maximum_packet = 1500
        rig = Rig(broker.port, "energy", "people", clock=virtual)
        big = replace(rig.rows(1, "people")[0], body=b"x" * 1400)
        rig.feed.put([big, *rig.rows(3)])
        async with rig.running():
            await rig.until(lambda: len(rig.feed.done) == 3)
            assert rig.uplink.words() == {"city.energy": "ok", "city.people": "refused:0x95"}
        assert len(broker.connects) == 1


async def test_a_refused_connection_says_why(virtual: VirtualClock) -> None:
    async with fake_broker(welcome=0x86) as broker:
        rig = Rig(broker.port, clock=virtual)
        async with rig.running():
            await rig.until(lambda: len(rig.errors) >= 1)
        assert "user name or password is wrong (0x86)" in rig.errors[0]


async def test_a_clean_stop_says_goodbye_and_leaves_offline_as_the_last_word(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        rig = Rig(broker.port, clock=virtual)
        async with rig.running():
            rig.put(1)
            await rig.until(lambda: len(rig.feed.done) == 1)
        await broker.until(lambda: broker.goodbyes == 1)
        states = [json.loads(one.body)["state"] for one in broker.published if one.topic.endswith("/s")]
        assert states == ["online", "stopping", "offline"]


async def test_a_new_state_is_told_at_once_and_figures_once_a_minute(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        rig = Rig(broker.port, clock=virtual)
        async with rig.running():
            await broker.until(lambda: len(broker.published) == 2)
            rig.state = "degraded"
            rig.put(1)
            await broker.until(lambda: b"degraded" in last_status(broker.published), patience=1.0)
            told = statuses(broker.published)
            await virtual.sleep(600)
            assert 9 <= statuses(broker.published) - told <= 11


async def test_a_reload_tells_births_again_without_a_new_connection(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        rig = Rig(broker.port, clock=virtual)
        async with rig.running():
            await broker.until(lambda: len(broker.published) == 2)
            rig.configure()
            await broker.until(lambda: len(broker.published) == 4)
        assert len(broker.connects) == 1


def test_the_product_defaults_are_those_that_were_promised() -> None:
    assert Timing() == Timing(
        answer=15.0, connect=10.0, hold=5.0, hold_most=60.0, probe=900.0, slow=1.0, status=60.0
    )


def statuses(published: list[Publish]) -> int:
    return sum(one.topic.endswith("/s") for one in published)


def last_status(published: list[Publish]) -> bytes:
    return next((one.body for one in reversed(published) if one.topic.endswith("/s")), b"")
