"""How the keeper keeps house: times that are learnt late, what is erased, and what leaves the table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.outbox.keeper import LEAST, Keeper
from agent.outbox.lane import Terms
from agent.outbox.ranges import Ranges
from agent.outbox.row import Header
from tests.agent.outbox.scenes import START, TurnedClock, World, ask, losses, route, started

DAY = 86400.0
CITY = "city.energy"


# --- times that are learnt late ---


async def test_rows_from_before_the_clock_was_set_all_learn_when_they_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.routes = (route(CITY, keep=2 * DAY),)
    world.clock.utc, world.clock.synced = 3600.0, False
    await world.start()
    for _ in range(300):
        world.window()
        world.clock.turn(1.0)
    await world.outbox.flush()
    keeper, lane = world.outbox._keeper, world.outbox._books.lane(CITY)
    world.clock.utc, world.clock.synced = START, True
    await keeper.keep_house()
    begun = START - 300.0
    assert ask(tmp_path, "SELECT count(*), min(expires), max(expires) FROM row") == [
        (301, begun + 2 * DAY, begun + 299.0 + 2 * DAY)
    ]
    assert (lane.unsynced, lane.told) == (world.clock.boot_id, False)  # the city does not know it yet
    world.outbox.tell_time(world.clock.now().offset)
    await world.flush()
    assert (lane.unsynced, lane.told) == ("", False)
    world.crash()
    await world.start()
    assert world.outbox._books.lane(CITY).unsynced == ""
    await world.outbox.close()


async def test_of_rows_of_another_boot_nothing_is_left_to_tell_once_they_know_when_they_end(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.clock.synced = False
    await world.start()
    world.window()
    await world.outbox.flush()
    world.crash()
    world.clock = TurnedClock(boot_id="another0")
    await world.start()
    await world.flush()
    assert world.outbox._books.lane(CITY).unsynced == ""
    await world.outbox.close()


async def test_a_row_of_this_boot_ends_by_its_age_and_one_of_another_is_learnt_first(tmp_path: Path) -> None:
    world, keeper, _ = await started(tmp_path)
    lane = keeper.books.lane(CITY)
    terms = Terms(3600.0, START + DAY)
    lane.open(terms, 0, unbroken=True)
    keeper.books.boot_from = 7

    def row(number: int) -> Header:
        return Header(number, 1, 1, 1, "batch", START, world.clock.at - 5.0, None, 5, b"", b"")

    assert keeper.expiry(lane, row(7)) == world.clock.utc - 5.0 + terms.keep
    assert keeper.expiry(lane, row(6)) == terms.ends
    await world.outbox.close()


# --- erasing ---


def left(folder: Path) -> dict[str, int]:
    """Count the messages whose bodies are there, by kind."""
    return dict(ask(folder, "SELECT kind, count(*) FROM row WHERE body IS NOT NULL GROUP BY kind"))


async def test_all_that_expired_is_erased_at_once_however_much_it_is(tmp_path: Path) -> None:
    world, keeper, _ = await started(tmp_path)
    world.configure(route(CITY, keep=3600.0))
    for _ in range(300):
        world.window()
    await keeper.commit()
    world.clock.turn(3600.0)  # to the second
    world.window()
    await keeper.commit()
    await keeper.keep_house()
    assert left(tmp_path) == {"batch": 1, "gap": 1}
    await world.outbox.close()


async def test_when_a_grant_ends_all_its_data_is_erased_to_the_second(tmp_path: Path) -> None:
    world, keeper, _ = await started(tmp_path)
    world.configure(route(CITY, until=datetime.fromtimestamp(START, UTC).date()))
    for _ in range(300):
        world.window()
    await keeper.commit()
    ends = keeper.books.lane(CITY).ends
    world.clock.turn(ends - world.clock.utc)
    await keeper.keep_house()
    assert left(tmp_path) == {"start": 1, "gap": 1}
    await world.outbox.close()


@pytest.mark.parametrize(
    ("refused", "granted", "why"), [(True, True, "refused"), (True, False, "ttl"), (False, True, "ttl")]
)
async def test_what_is_erased_is_owed_for_its_reason(
    tmp_path: Path, why: str, *, refused: bool, granted: bool
) -> None:
    world, keeper, _ = await started(tmp_path)
    world.configure(route(CITY, keep=3600.0), route("city.people"))
    world.window()
    await world.flush()
    world.outbox.feed("city").refused = frozenset({CITY} if refused else ())
    if granted:
        world.clock.turn(3600.0)
    else:
        world.configure(route("city.people"))
    await world.flush()
    assert {loss.why for loss in losses(await world.deliver())} == {why}
    assert not keeper.books.lane(CITY).erasing
    await world.outbox.close()


async def test_of_a_route_that_is_withdrawn_the_data_is_erased_and_what_the_gateway_owes_is_not(
    tmp_path: Path,
) -> None:
    world, _, _ = await started(tmp_path)
    world.window()
    world.configure(route("city.people"))
    await world.flush()
    assert [(row.route, row.kind) for row in await world.deliver()] == [
        (CITY, "start"), ("city.people", "start"), (CITY, "gap"),
    ]  # fmt: skip
    await world.outbox.close()


async def test_a_route_with_nothing_to_erase_is_done_with(tmp_path: Path) -> None:
    world, keeper, _ = await started(tmp_path)
    await world.deliver()
    world.configure(route("city.people"))
    assert keeper.books.lane(CITY).erasing
    await keeper.keep_house()
    assert not keeper.books.lane(CITY).erasing
    await world.outbox.close()


# --- letting go ---


async def aged(folder: Path, old: int, young: int) -> tuple[World, Keeper]:
    """Make delivered rows; *old* of them, with the start, are past the local retention to the second."""
    world, keeper, _ = await started(folder)
    for _ in range(old - 1):
        world.window()
    await keeper.commit()
    world.clock.turn(1.0)
    for _ in range(young):
        world.window()
    await keeper.commit()
    await world.deliver()
    world.clock.turn(world.keep - 1.0)
    return world, keeper


@pytest.mark.parametrize(
    ("old", "gone"), [(LEAST - 1, 0), (LEAST, LEAST), (LEAST + 6, LEAST + 6), (600, 600)]
)
async def test_what_is_past_the_local_retention_leaves_many_at_once_and_no_row_more(
    tmp_path: Path, old: int, gone: int
) -> None:
    world, keeper = await aged(tmp_path, old, 20)
    await keeper.keep_house()
    assert ask(tmp_path, "SELECT min(id), count(*) FROM row") == [(gone + 1, old + 20 - gone)]
    await world.outbox.close()


async def test_a_row_that_nobody_has_had_holds_those_behind_it_and_an_erased_one_does_not(
    tmp_path: Path,
) -> None:
    world, keeper = await aged(tmp_path, 100, 0)
    lane = keeper.books.lane(CITY)
    lane.acked = Ranges([(1, 69), (71, 100)])
    store = keeper._store._connection
    await keeper._let_go()
    assert ask(tmp_path, "SELECT min(id) FROM row") == [(70,)]
    lane.acked = Ranges([(1, 69)])
    store.execute("UPDATE row SET body=NULL WHERE id >= 70")
    for _ in range(40):
        world.window()
    await keeper.commit()
    await world.deliver()
    world.clock.turn(world.keep)
    await keeper._let_go()
    assert ask(tmp_path, "SELECT count(*) FROM row") == [(0,)]
    await world.outbox.close()
