"""Brokers far away and lines that are thin: the window of unanswered messages fits the way."""

from __future__ import annotations

import pytest

from tests.agent.uplink.kit import Rig
from tests.peers.fake_broker import fake_broker
from tests.peers.line import line
from tests.virtual import VirtualClock

ROWS = 3000


@pytest.mark.parametrize(
    ("delay", "least", "window"),
    [(0.0005, 1000, 20), (0.03, 300, 20), (0.15, 250, 100)],
    ids=["near", "60 ms", "300 ms"],
)
async def test_a_backlog_uses_a_long_way_in_full_and_a_short_one_with_a_small_window(
    virtual: VirtualClock, delay: float, least: float, window: int
) -> None:
    async with fake_broker() as broker, line(broker.port, delay=delay) as way:
        rig = Rig(way.port, clock=virtual)
        rig.put(ROWS)
        async with rig.running():
            await rig.until(lambda: rig.uplink.connected)
            begin = virtual.boot()
            await rig.until(lambda: len(rig.feed.done) == ROWS)
            took = virtual.boot() - begin
        assert took <= ROWS / least
        assert broker.most_waiting <= window
        assert rig.errors == []


async def test_a_thin_line_is_used_in_full_and_no_live_message_waits_for_long(virtual: VirtualClock) -> None:
    """A modem of 9600 bytes a second, 150 ms away: some 25 messages a second."""
    async with fake_broker() as broker, line(broker.port, delay=0.15, rate=9600.0) as way:
        rig = Rig(way.port, clock=virtual)
        rig.put(ROWS)
        async with rig.running():
            await rig.until(lambda: len(rig.feed.done) >= 500)
            begin, before = virtual.boot(), way.carried
            for _ in range(20):
                (live,) = rig.put(1)
                put = virtual.boot()
                await rig.until(lambda live=live: live in rig.feed.done)  # type: ignore[misc]
                assert virtual.boot() - put < 3.0
            used = (way.carried - before) / (virtual.boot() - begin)
        assert used >= 0.9 * 9600, "PUBACKs are carried too, the other way"
        assert rig.errors == []


async def test_one_large_message_after_the_other_on_a_thin_line_is_no_dead_link(
    virtual: VirtualClock,
) -> None:
    """Each takes longer than half of our patience: answers come late, and they do come."""
    async with fake_broker() as broker, line(broker.port, delay=0.3, rate=40.0) as way:
        rig = Rig(way.port, clock=virtual)
        rig.put(12)
        async with rig.running():
            await rig.until(lambda: len(rig.feed.done) == 12)
        assert rig.errors == []
        assert len(broker.published) < 20
