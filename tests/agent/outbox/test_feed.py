"""A feed: live first, then the backlog in order, and nothing kept in memory for who is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from agent.core.message import Late
from agent.outbox.feed import LIVE_ROWS
from agent.outbox.row import Row
from tests.agent.outbox.scenes import Plain, World, route

NONE: frozenset[str] = frozenset()


def numbers(rows: Sequence[Row]) -> list[int]:
    return [row.seq for row in rows]


async def opened(folder: Path, *, windows: int = 0, routes: Sequence[str] = ("city.energy",)) -> World:
    world = World(folder)
    world.routes = tuple(route(name) for name in routes)
    await world.start()
    for _ in range(windows):
        world.clock.turn(60.0)
        for name in routes:
            world.window(name)
        await world.outbox.flush()
    await world.outbox.flush()
    return world


async def test_live_rows_go_before_the_backlog(tmp_path: Path) -> None:
    world = await opened(tmp_path, windows=5)
    feed = world.outbox.feed("city")
    feed.online(True)
    world.window()
    await world.outbox.flush()
    assert numbers(await feed.take(5, 3)) == [7, 1, 2, 3]
    assert numbers(await feed.take(5, 9)) == [4, 5, 6]
    await world.outbox.close()


async def test_rows_that_are_given_back_come_again_in_order(tmp_path: Path) -> None:
    world = await opened(tmp_path, windows=5)
    feed = world.outbox.feed("city")
    rows = await feed.take(0, 4)
    feed.acked(rows[1])
    feed.release(rows)
    assert numbers(await feed.take(0, 9)) == [1, 3, 4, 5, 6]
    await world.outbox.close()


async def test_an_acknowledgement_that_comes_twice_or_too_late_changes_nothing(tmp_path: Path) -> None:
    world = await opened(tmp_path, windows=2)
    feed = world.outbox.feed("city")
    rows = await feed.take(0, 9)
    feed.acked(rows[0])
    feed.acked(rows[0])
    assert world.outbox.queue("city").n == 2
    feed.release(rows[1:])
    feed.acked(rows[1])
    assert world.outbox.queue("city").n == 2
    await world.outbox.close()


async def test_events_go_before_batches_of_the_backlog(tmp_path: Path) -> None:
    world = await opened(tmp_path, windows=4)
    world.event()
    world.window()
    world.event()
    await world.outbox.flush()
    feed = world.outbox.feed("city")
    assert [row.kind for row in await feed.take(0, 4)] == ["event", "event", "start", "batch"]
    await world.outbox.close()


async def test_a_skipped_route_holds_up_no_other(tmp_path: Path) -> None:
    world = await opened(tmp_path, windows=3, routes=("city.energy", "city.people"))
    feed = world.outbox.feed("city")
    rows = await feed.take(20, 20, frozenset({"city.energy"}))
    assert {row.route for row in rows} == {"city.people"}
    assert len(await feed.take(20, 20)) == 4
    await world.outbox.close()


async def test_a_backlog_is_merged_oldest_first_over_routes(tmp_path: Path) -> None:
    world = await opened(tmp_path, windows=3, routes=("city.energy", "city.people"))
    rows = await world.outbox.feed("city").take(0, 20)
    assert [row.id for row in rows] == sorted(row.id for row in rows)
    await world.outbox.close()


async def test_recipients_know_nothing_of_each_other(tmp_path: Path) -> None:
    world = await opened(tmp_path, windows=2, routes=("city.energy", "lab.energy"))
    assert {row.route for row in await world.outbox.feed("lab").take(20, 20)} == {"lab.energy"}
    assert world.outbox.queue("city").n == world.outbox.queue("lab").n == 3
    await world.outbox.close()


async def test_more_live_rows_than_memory_allows_wait_on_disk(tmp_path: Path) -> None:
    world = await opened(tmp_path)
    feed = world.outbox.feed("city")
    feed.online(True)
    for _ in range(LIVE_ROWS + 30):
        world.window()
    await world.outbox.flush()
    assert len(feed._live) == LIVE_ROWS
    rows = await feed.take(1000, 1000)
    assert sorted(numbers(rows)) == list(range(1, LIVE_ROWS + 32))
    await world.outbox.close()


async def test_nothing_is_kept_in_memory_for_a_recipient_who_is_away(tmp_path: Path) -> None:
    world = await opened(tmp_path, windows=100)
    feed = world.outbox.feed("city")
    assert not feed._live
    feed.online(True)
    world.window()
    await world.outbox.flush()
    feed.online(False)
    assert not feed._live
    assert len(await feed.take(1000, 1000)) == 102
    await world.outbox.close()


async def test_too_many_holes_make_the_lane_orderly_until_they_are_closed(tmp_path: Path) -> None:
    world = await opened(tmp_path, windows=120)
    feed = world.outbox.feed("city")
    rows = await feed.take(0, 100)
    for row in rows[1::2]:
        feed.acked(row)
    feed.release(rows)
    lane = world.outbox._books.lanes["city.energy"]
    assert lane.orderly
    feed.online(True)
    world.event()
    await world.outbox.flush()
    (first,) = await feed.take(1, 1)
    assert first.seq == 1
    feed.release([first])
    await world.deliver()
    assert not lane.orderly
    assert len(lane.acked) == 1
    await world.outbox.close()


async def test_who_waits_is_woken_when_rows_are_safe_and_not_before(tmp_path: Path) -> None:
    world = await opened(tmp_path)
    feed = world.outbox.feed("city")
    feed.online(True)
    await world.deliver()
    assert await feed.take(20, 20) == []
    waiting = asyncio.ensure_future(feed.wait())
    world.window()
    await asyncio.sleep(0)
    assert not waiting.done()
    await world.outbox.flush()
    await asyncio.wait_for(waiting, 1)
    await world.outbox.close()


async def test_memory_stays_flat_through_a_long_outage(tmp_path: Path) -> None:
    world = await opened(tmp_path, windows=3000)
    lane = world.outbox._books.lanes["city.energy"]
    feed = world.outbox.feed("city")
    assert (len(lane.acked), len(lane.flight), len(feed._live), len(world.outbox._books.pending)) == (
        0,
        0,
        0,
        0,
    )
    feed.online(True)
    for _ in range(50):
        for row in await feed.take(20, 20):
            feed.acked(row)
        assert (len(lane.acked), len(lane.flight)) == (1, 0)
    assert world.outbox.queue("city").n == 3001 - 50 * 20
    await world.outbox.close()


class InOrder(Plain):
    """For a platform that shows what came last."""

    late: Late = "in-order"


async def test_where_the_last_word_counts_nothing_overtakes(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.encodings["city"] = InOrder()
    await world.start()
    feed = world.outbox.feed("city")
    for _ in range(3):  # nobody is connected
        world.clock.turn(60.0)
        world.window()
        await world.outbox.flush()
    feed.online(True)
    world.clock.turn(60.0)
    world.window()
    await world.outbox.flush()
    shown: list[int] = []
    while rows := await feed.take(5, 5):
        assert len(rows) == 1, "the next one waits for the answer"
        assert await feed.take(5, 5) == []
        shown += numbers(rows)
        feed.acked(rows[0])
        if len(shown) < 5:
            async with asyncio.timeout(1):
                await feed.wait()
    assert shown == sorted(shown)
    assert len(shown) == 5, "the start, three old windows, and the newest, which is what shows"
    await world.outbox.close()


async def test_where_the_last_word_counts_what_was_not_answered_comes_first_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.encodings["city"] = InOrder()
    await world.start()
    feed = world.outbox.feed("city")
    feed.online(True)
    world.window()
    await world.outbox.flush()
    rows = await feed.take(5, 5)
    world.window()
    await world.outbox.flush()
    feed.release(rows)
    assert await feed.take(5, 5) == rows
    await world.outbox.close()
