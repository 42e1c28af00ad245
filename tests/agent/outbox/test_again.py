"""What a recipient has had already: read for a replay, and nothing beside it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from agent.core.command import Wanted
from agent.outbox.again import Again, Page, joined
from agent.outbox.feed import LEAST_LIFE
from tests.agent.outbox.scenes import START, World, route


async def page(world: World, first: int, last: int, *, most: int = 100, epoch: int = 1) -> Page:
    found = await Again("city", world.outbox._keeper).page(Wanted("energy", epoch, first, last), most)
    assert found is not None
    return found


def numbers(found: Page) -> list[int]:
    return [one.seq for one in found.rows]


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    await made.start()
    for _ in range(9):
        made.window()
        made.clock.turn(60.0)
        await made.flush()
    return made


async def test_rows_come_back_as_they_left(world: World) -> None:
    delivered = await world.deliver()
    found = await page(world, 3, 6)
    assert numbers(found) == [3, 4, 5, 6]
    assert [one.body for one in found.rows] == [one.body for one in delivered if 3 <= one.seq <= 6]
    assert (found.gone, found.waits, found.next) == ((), (), 7)


async def test_a_long_stretch_comes_in_pages(world: World) -> None:
    await world.deliver()
    first = await page(world, 2, 9, most=3)
    assert (numbers(first), first.next) == ([2, 3, 4], 5)
    second = await page(world, first.next, 9, most=100)
    assert (numbers(second), second.next) == ([5, 6, 7, 8, 9], 10)


async def test_what_was_not_delivered_waits_and_what_has_no_number_yet_too(world: World) -> None:
    await world.deliver(most=4)
    world.window()  # numbered, and not yet on the disk
    found = await page(world, 1, 30)
    assert numbers(found) == [1, 2, 3, 4]
    assert (found.gone, found.waits) == ((), ((5, 30),))


async def test_what_has_no_row_is_gone_and_what_has_no_number_waits(world: World) -> None:
    """Numbers were given up while the disk failed: in the middle, and at the end."""
    await world.deliver()
    world.outbox._store._connection.execute("DELETE FROM row WHERE seq IN (4, 9, 10)")
    found = await page(world, 1, 30)
    assert numbers(found) == [1, 2, 3, 5, 6, 7, 8]
    assert (found.gone, found.waits, found.next) == (((4, 4), (9, 10)), ((11, 30),), 31)


async def test_all_waits_of_a_run_that_has_not_begun_on_its_route(world: World) -> None:
    await world.deliver()
    await world.outbox.close()
    world.encodings = {}
    await world.start()
    found = await page(world, 1, 5, epoch=2)
    assert (found.rows, found.gone, found.waits) == ((), (), ((1, 5),))
    found = await page(world, 1, 10, epoch=1)
    assert found.waits == ()


async def test_what_is_under_way_waits(world: World) -> None:
    await world.outbox.feed("city").take(0, 5)
    assert (await page(world, 1, 10)).waits == ((1, 10),)


async def test_another_recipients_rows_are_not_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.routes = (route("city.energy"), route("lab.energy"))
    await world.start()
    for _ in range(3):
        world.window("lab.energy")
        world.clock.turn(60.0)
        await world.flush()
    await world.deliver(recipient="lab")
    found = await page(world, 1, 4)
    assert found.rows == ()


async def test_a_product_that_was_never_granted_gives_nothing(world: World) -> None:
    await world.deliver()
    again = Again("city", world.outbox._keeper)
    found = await again.page(Wanted("people", 1, 1, 4), 100)
    assert found is not None
    assert (found.rows, found.gone, found.next) == ((), ((1, 4),), 5)


async def test_without_a_grant_nothing_comes_back(world: World) -> None:
    await world.deliver()
    world.configure(route("city.other"))
    found = await page(world, 1, 10)
    assert (found.rows, found.gone) == ((), ((1, 10),))


async def test_after_the_grants_last_day_nothing_comes_back(world: World) -> None:
    await world.deliver()
    day: date = datetime.fromtimestamp(START, UTC).date()
    world.configure(route("city.energy", until=day))
    assert numbers(await page(world, 1, 10)) == list(range(1, 11))
    ends = world.outbox._books.lanes["city.energy"].ends
    world.clock.turn(ends - world.clock.utc)
    found = await page(world, 1, 10)
    assert (found.rows, found.gone) == ((), ((1, 10),))


async def test_what_may_not_be_kept_any_more_does_not_come_back(world: World) -> None:
    await world.deliver()
    made = 60.0 * 5  # the rows were made a minute apart
    world.configure(route("city.energy", keep=world.clock.utc - START - made))
    found = await page(world, 1, 10)
    assert numbers(found) == list(range(numbers(found)[0], 11))
    assert found.gone == ((1, numbers(found)[0] - 1),)
    assert 4 <= numbers(found)[0] <= 8


async def test_what_has_less_than_a_second_left_does_not_come_back(world: World) -> None:
    await world.deliver()
    [last] = (await page(world, 10, 10)).rows
    world.clock.turn(last.expires - world.clock.utc - LEAST_LIFE)
    assert numbers(await page(world, 10, 10)) == [10]
    world.clock.turn(0.5)
    found = await page(world, 10, 10)
    assert (found.rows, found.gone) == ((), ((10, 10),))


async def test_a_longer_keep_does_not_bring_back_what_had_to_be_deleted(world: World) -> None:
    world.configure(route("city.energy", keep=600.0))
    world.window()
    await world.flush()
    await world.deliver()
    world.clock.turn(700.0)
    world.configure(route("city.energy"))
    found = await page(world, 11, 11)
    assert found.rows == ()


async def test_a_recipient_at_another_address_starts_with_nothing(world: World) -> None:
    await world.deliver()
    world.host = "elsewhere.example"
    world.configure()
    assert (await page(world, 1, 10)).rows == ()
    world.window()
    await world.flush()
    await world.deliver()
    assert numbers(await page(world, 1, 11)) == [11]


async def test_the_address_outlives_a_restart(world: World) -> None:
    await world.deliver()
    await world.outbox.close()
    await world.start()
    assert numbers(await page(world, 1, 10)) == list(range(1, 11))
    world.host = "elsewhere.example"
    await world.outbox.close()
    await world.start()
    assert (await page(world, 1, 10)).rows == ()


async def test_what_the_ledger_has_let_go_is_gone(tmp_path: Path) -> None:
    world = World(tmp_path, keep=3600.0)
    await world.start()
    for _ in range(150):
        world.window()
        world.clock.turn(60.0)
        await world.outbox.flush()
    await world.deliver()
    await world.flush()
    found = await page(world, 1, 151, most=1000)
    first = numbers(found)[0]
    assert first > 64
    assert found.gone == ((1, first - 1),)
    assert numbers(found) == list(range(first, 152))


async def test_a_row_that_a_worn_card_has_changed_is_not_sent_again(world: World) -> None:
    await world.deliver()
    db = world.outbox._store._connection
    db.execute("UPDATE row SET seq=99 WHERE seq=4")
    again = Again("city", world.outbox._keeper)
    assert await again.page(Wanted("energy", 1, 2, 9), 100) is None
    assert "restart to salvage" in world.outbox.trouble


def test_stretches_are_joined_where_they_touch() -> None:
    assert joined([(5, 6), (1, 2), (3, 3), (9, 9), (6, 7)]) == ((1, 3), (5, 7), (9, 9))
