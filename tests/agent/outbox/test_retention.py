"""What must go goes: at the cap, when retention or a grant ends; and each loss is declared."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.outbox.verdict import verify
from tests.agent.outbox.scenes import KEEP, START, World, losses, route

DAY = 86400.0
DB = "outbox.db"


def ask(folder: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(folder / DB)) as db:
        return db.execute(query).fetchall()


async def test_at_the_cap_the_oldest_go_and_are_declared(tmp_path: Path) -> None:
    world = World(tmp_path, cap=1 << 20)
    await world.start()
    for _ in range(1200):
        world.clock.turn(60.0)
        world.window(size=1500)
        await world.outbox.flush()
    assert (tmp_path / DB).stat().st_size <= 1 << 20
    rows = await world.deliver()
    (gap,) = [row for row in rows if row.kind == "gap"]
    loss, *later = losses([gap])
    kept = [row.seq for row in rows if row.kind == "batch"]
    assert (loss.why, loss.first, loss.last) == ("cap", 1, min(kept) - 1)
    # the rest are earlier gap messages, which this one has taken over
    assert {one.count for one in later} == {1}
    assert len(kept) > 300
    assert verify(tmp_path / DB).holds
    await world.outbox.close()


async def test_a_pruned_gap_is_absorbed_by_the_next(tmp_path: Path) -> None:
    world = World(tmp_path, cap=1 << 20)
    await world.start()
    for _ in range(4000):
        world.clock.turn(60.0)
        world.window(size=1500)
        await world.outbox.flush()
    rows = await world.deliver()
    (gap,) = [row for row in rows if row.kind == "gap"]
    declared: set[int] = set()
    for loss in losses([gap]):
        assert loss.last is not None
        declared |= set(range(loss.first, loss.last + 1))
    numbers = {row.seq for row in rows}
    assert numbers & declared == set()
    assert numbers | declared == set(range(1, max(numbers) + 1))
    assert sum(loss.count or 0 for loss in losses([gap])) == len(declared)
    await world.outbox.close()


async def test_delivered_rows_leave_after_the_local_retention_at_least_64_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    for _ in range(200):
        world.clock.turn(60.0)
        world.window()
        await world.outbox.flush()
        await world.deliver()
    world.clock.turn(KEEP - 150 * 60.0)
    await world.flush()
    assert ask(tmp_path, "SELECT count(*), min(id) FROM row") == [(201, 1)]
    world.clock.turn(64 * 60.0)
    await world.flush()
    ((count, first),) = ask(tmp_path, "SELECT count(*), min(id) FROM row")
    assert first > 64
    assert count == 202 - first
    assert verify(tmp_path / DB).holds
    await world.outbox.close()


async def test_retention_works_again_after_the_clock_was_stepped(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()

    async def age(days: float) -> int:
        for _ in range(100):
            world.clock.turn(60.0)
            world.window()
        await world.outbox.flush()
        await world.deliver()
        world.clock.turn(days * DAY)
        await world.flush()
        return int(ask(tmp_path, "SELECT count(*) FROM row")[0][0])

    assert await age(31) == 0
    world.clock.utc -= 3600.0
    assert await age(31) == 0
    world.clock.utc += 3600.0
    assert await age(1) > 0
    await world.outbox.close()


async def test_an_expired_unsent_body_is_erased_declared_and_never_sent(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.routes = (route("city.energy", keep=2 * DAY),)
    await world.start()
    world.window(size=77)
    await world.outbox.flush()
    world.clock.turn(1.5 * DAY)
    world.window(size=55)
    await world.outbox.flush()
    world.clock.turn(0.75 * DAY)
    feed = world.outbox.feed("city")
    assert [row.seq for row in await feed.take(0, 1)] == []
    await world.flush()
    rows = await world.deliver()
    assert [row.kind for row in rows] == ["batch", "gap"]
    (loss,) = losses(rows)
    assert (loss.why, loss.first, loss.last, loss.count) == ("ttl", 1, 2, 2)
    assert ask(tmp_path, "SELECT id FROM row WHERE body IS NULL") == [(1,), (2,)]
    await world.outbox.close()
    assert b"x" * 77 not in (tmp_path / DB).read_bytes()
    verdict = verify(tmp_path / DB)
    assert verdict.holds
    assert verdict.erased == 2


async def test_a_keep_that_is_shortened_counts_for_what_waits_already(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.routes = (route("city.energy", keep=20 * DAY),)
    await world.start()
    world.window()
    await world.outbox.flush()
    world.clock.turn(3 * DAY)
    world.configure(route("city.energy", keep=2 * DAY))
    await world.flush()
    rows = await world.deliver()
    assert [row.kind for row in rows] == ["gap"]
    await world.outbox.close()


async def test_what_expires_on_a_refused_route_is_declared_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.routes = (route("city.energy", keep=2 * DAY),)
    await world.start()
    world.window()
    await world.outbox.flush()
    world.outbox.feed("city").refused = frozenset({"city.energy"})
    world.clock.turn(3 * DAY)
    await world.flush()
    assert {loss.why for loss in losses(await world.deliver())} == {"refused"}
    await world.outbox.close()


async def test_a_withdrawn_grant_erases_what_waits_and_declares_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.routes = (route("city.energy"), route("city.people"))
    await world.start()
    for _ in range(10):
        world.window("city.people", size=77)
        world.window("city.energy", size=55)
    await world.outbox.flush()
    world.window("city.people", size=78)
    world.configure(route("city.energy"))
    await world.flush()
    rows = await world.deliver()
    people = [row for row in rows if row.route == "city.people"]
    assert [row.kind for row in people] == ["start", "gap"]
    (loss,) = losses(people)
    assert (loss.why, loss.first, loss.last, loss.count) == ("ttl", 2, 12, 11)
    assert len([row for row in rows if row.kind == "batch"]) == 10
    await world.outbox.close()
    assert b"x" * 77 not in (tmp_path / DB).read_bytes()
    assert verify(tmp_path / DB).holds


async def test_rows_under_way_are_erased_only_once_they_come_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.routes = (route("city.energy"), route("city.people"))
    await world.start()
    for _ in range(3):
        world.window("city.people")
    await world.outbox.flush()
    feed = world.outbox.feed("city")
    taken = [row for row in await feed.take(0, 9) if row.kind == "batch"]
    world.configure(route("city.energy"))
    await world.flush()
    feed.acked(taken[0])
    feed.release(taken[1:])
    await world.flush()
    (loss,) = losses(await world.deliver())
    assert (loss.first, loss.last, loss.count) == (3, 4, 2)
    await world.outbox.close()


async def test_a_route_that_comes_back_goes_on_counting(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.routes = (route("city.energy"), route("city.people"))
    await world.start()
    world.window("city.people")
    await world.flush()
    await world.deliver()
    world.configure(route("city.energy"))
    await world.flush()
    world.configure(route("city.energy"), route("city.people"))
    world.window("city.people")
    await world.flush()
    (row,) = await world.deliver()
    assert (row.epoch, row.seq) == (1, 3)
    await world.outbox.close()


async def test_a_recipient_who_is_gone_hears_of_its_losses_when_it_returns(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.routes = (route("city.energy"), route("lab.energy"))
    await world.start()
    for _ in range(5):
        world.window("lab.energy")
    await world.outbox.flush()
    lab = world.encodings.pop("lab")
    world.configure(route("city.energy"))
    await world.flush()
    await world.outbox.close()
    await world.start()
    await world.flush()
    world.encodings["lab"] = lab
    world.configure(route("city.energy"), route("lab.energy"))
    await world.flush()
    rows = await world.deliver(recipient="lab")
    assert [(row.kind, row.epoch) for row in rows] == [("start", 1), ("start", 2), ("gap", 2)]
    assert [(loss.why, loss.epoch, loss.first, loss.last) for loss in losses(rows)] == [("ttl", 1, 2, 6)]
    await world.outbox.close()


async def test_after_the_last_day_of_a_grant_nothing_of_it_leaves(tmp_path: Path) -> None:
    world = World(tmp_path)
    last = datetime.fromtimestamp(START, UTC).date()
    world.routes = (route("city.energy", until=last),)
    await world.start()
    world.window()
    await world.flush()
    world.clock.turn(DAY)
    await world.flush()
    rows = await world.deliver()
    assert [row.kind for row in rows if row.kind == "batch"] == []
    assert {loss.why for loss in losses(rows)} == {"ttl"}
    await world.outbox.close()


async def test_a_grant_that_now_ends_sooner_ends_for_what_waits_already(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    world.window()
    await world.flush()
    world.configure(route("city.energy", until=datetime.fromtimestamp(START, UTC).date()))
    world.clock.turn(DAY)
    rows = await world.outbox.feed("city").take(0, 10)
    assert [row.kind for row in rows if row.kind == "batch"] == []
    await world.outbox.close()


@pytest.mark.parametrize("synced_later", [True, False])
async def test_rows_from_before_the_clock_was_set_do_not_expire_at_once(
    tmp_path: Path, *, synced_later: bool
) -> None:
    world = World(tmp_path)
    world.routes = (route("city.energy", keep=2 * DAY),)
    world.clock.utc, world.clock.synced = 3600.0, False
    await world.start()
    world.window()
    await world.flush()
    world.clock.turn(DAY)
    world.clock.utc, world.clock.synced = START, synced_later
    if synced_later:
        world.outbox.tell_time(world.clock.now().offset)
    await world.flush()
    feed = world.outbox.feed("city")
    rows = await feed.take(0, 9)
    assert [row.kind for row in rows][:2] == ["start", "batch"]
    assert {round((row.expires - START) / DAY, 3) for row in rows[:2]} == {1.0}
    feed.release(rows)
    world.clock.turn(1.1 * DAY)
    await world.flush()
    assert {loss.why for loss in losses(await world.deliver())} == {"ttl"}
    await world.outbox.close()


async def test_rows_of_an_earlier_boot_without_a_clock_wait_from_the_moment_the_time_is_known(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.routes = (route("city.energy", keep=2 * DAY),)
    world.clock.utc, world.clock.synced = 3600.0, False
    await world.start()
    world.window()
    await world.flush()
    world.crash()
    world.clock = type(world.clock)(boot_id="other000")
    await world.start()
    await world.flush()
    rows = await world.outbox.feed("city").take(0, 2)
    assert [(row.kind, row.epoch) for row in rows] == [("start", 1), ("batch", 1)]
    assert {row.expires for row in rows} == {START + 2 * DAY}
    await world.outbox.close()


def test_the_date_of_the_scene_is_what_the_tests_think() -> None:
    assert datetime.fromtimestamp(START, UTC).date() == date(2026, 11, 21)
