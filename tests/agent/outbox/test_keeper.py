"""The keeper by itself: when it commits, what makes room, and what is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from agent.core.errors import OutboxError
from agent.outbox.keeper import HOUSE, LEAST, ROW_OVERHEAD, SILENCE, WATERMARK
from agent.outbox.row import Header
from agent.outbox.schema import PAGE
from agent.outbox.store import DamagedError
from agent.outbox.work import Done
from tests.agent.outbox.scenes import START, World, losses, route, started
from tests.virtual import START as MORNING
from tests.virtual import VirtualClock

CITY = "city.energy"


@asynccontextmanager
async def running(world: World) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(world.outbox.run())
    yield task
    task.cancel()
    await asyncio.wait([task])
    await world.outbox.close()


def gaps(moments: list[float]) -> list[float]:
    return [round(after - before, 3) for before, after in pairwise(moments)]


# --- when it commits ---


async def test_what_comes_all_the_time_is_committed_once_a_second(
    tmp_path: Path, virtual: VirtualClock
) -> None:
    world, _, disk = await started(tmp_path, virtual)
    async with running(world):
        for n in range(40):
            world.window(start=MORNING + 60.0 * n)
            await virtual.sleep(0.25)
        assert gaps(disk.at) == [1.0] * 10


async def test_a_disk_that_fails_is_told_once_and_tried_again_ever_more_seldom(
    tmp_path: Path, virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    world, keeper, disk = await started(tmp_path, virtual)
    disk.bad = True
    async with running(world):
        world.window(start=MORNING)
        with caplog.at_level("INFO", "agent.outbox"):
            await virtual.sleep(100.0)
        assert [one.levelname for one in caplog.records] == ["ERROR"]
        assert gaps(disk.at) == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        assert disk.reopened > 0
        disk.bad = False
        await virtual.sleep(30.0)
        assert keeper.trouble == ""
        disk.at.clear()
        for n in range(8):
            world.window(start=MORNING + 60.0 * n)
            await virtual.sleep(0.5)
        assert gaps(disk.at) == [1.0] * 4


async def test_acknowledgements_alone_go_to_the_disk_after_a_while_of_silence(
    tmp_path: Path, virtual: VirtualClock
) -> None:
    world, _, disk = await started(tmp_path, virtual)
    async with running(world):
        begun = virtual.boot()
        world.window(start=MORNING)
        await virtual.sleep(2.0)
        await world.deliver()
        await virtual.sleep(SILENCE - 2.0)
        assert len(disk.at) == 1
        await virtual.sleep(HOUSE)
        assert len(disk.at) == 2
        assert disk.at[1] - begun >= SILENCE
        await virtual.sleep(10 * HOUSE)
        assert len(disk.at) == 2


async def test_house_is_kept_once_a_minute(tmp_path: Path, virtual: VirtualClock) -> None:
    world, _, disk = await started(tmp_path, virtual)
    async with running(world):
        await virtual.sleep(10 * HOUSE)
        assert set(gaps(disk.breaths)) <= {HOUSE, HOUSE + 1.0}
        assert 9 <= len(disk.breaths) <= 11


async def test_what_is_under_way_when_its_grant_ends_is_erased_within_seconds_of_its_return(
    tmp_path: Path, virtual: VirtualClock
) -> None:
    world, keeper, _ = await started(tmp_path, virtual)
    async with running(world):
        world.window(start=MORNING)
        await virtual.sleep(2.0)
        feed = world.outbox.feed("city")
        taken = await feed.take(0, 9)
        world.configure(route("city.people"))
        await virtual.sleep(10.0)
        assert keeper.books.lane(CITY).erasing
        feed.release(taken)
        await virtual.sleep(2.5)
        assert not keeper.books.lane(CITY).erasing


async def test_what_a_plan_withdraws_and_what_a_set_clock_tells_is_seen_to_at_once(
    tmp_path: Path, virtual: VirtualClock
) -> None:
    virtual.synced = False
    world, keeper, _ = await started(tmp_path, virtual)
    async with running(world):
        world.window(start=MORNING)
        await virtual.sleep(5.0)
        virtual.synced = True
        world.outbox.tell_time(virtual.now().offset)
        await virtual.sleep(2.5)
        assert keeper.books.lane(CITY).unsynced == ""
        world.configure(route("city.people"))
        await virtual.sleep(2.5)
        assert not keeper.books.lane(CITY).erasing


async def test_damage_ends_the_process_and_is_marked_for_the_next(
    tmp_path: Path, virtual: VirtualClock
) -> None:
    world, keeper, _ = await started(tmp_path, virtual)

    def damaged() -> Done:
        raise DamagedError("the file is damaged")

    keeper._store.breathe = damaged  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="the file is damaged"):
        await world.outbox.run()
    assert (tmp_path / "outbox.damaged").exists()
    assert keeper.trouble == "the file is damaged"
    world.crash()


async def test_who_watches_hears_since_when_the_disk_owes_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, keeper, disk = await started(tmp_path)
    assert keeper.hanging_since() is None
    world.window()
    world.clock.turn(5.0)
    world.window()
    assert keeper.hanging_since() == world.clock.at - 5.0
    slow: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
    with monkeypatch.context() as stalled:
        stalled.setattr(world.outbox._port, "submit", lambda _: slow)
        commit = asyncio.ensure_future(keeper.commit())
        await asyncio.sleep(0)
        world.clock.turn(7.0)
        assert keeper.hanging_since() == world.clock.at - 7.0
        slow.set_exception(OutboxError("the card is busy"))
        assert not await commit
    assert keeper.hanging_since() is None  # what fails does not hang: it is tried again
    assert await keeper.commit()
    assert keeper.hanging_since() is None
    assert len(disk.at) == 1
    await world.outbox.close()


# --- making room ---


class Front:
    """Gives headers as the oldest rows, and notes how many were asked for."""

    def __init__(self, *sizes: int | None) -> None:
        self.rows = [
            Header(n, 1, 1, n, "batch", START, 0.0, None, size, b"", b"") for n, size in enumerate(sizes, 1)
        ]

    def __call__(self, count: int, made: float | None = None) -> list[Header]:
        del made
        return self.rows[:count]


async def test_room_is_made_where_what_waits_would_not_stay_below_the_watermark(tmp_path: Path) -> None:
    world, keeper, _ = await started(tmp_path)
    keeper._store.front = Front(*[10] * 100)  # type: ignore[method-assign]
    books = keeper.books
    books.limit = 1000
    books.used = int(WATERMARK * 1000) - 8
    assert await keeper._room() == []
    books.used += 1
    assert len(await keeper._room()) == LEAST
    books.used -= 1
    books.pending_size = PAGE - 1
    assert await keeper._room() == []
    books.pending_size = PAGE
    assert len(await keeper._room()) == LEAST
    books.pending_size = 0
    await world.outbox.close()


WHOLE = PAGE - ROW_OVERHEAD
"""A body with which a row takes a page."""


@pytest.mark.parametrize(
    ("sizes", "leave"),
    [
        ([0] * 200, LEAST),
        ([WHOLE] * 200, 70),
        ([WHOLE - 1, *[WHOLE] * 200], 71),
        ([None, *[WHOLE] * 68, 2 * WHOLE - 1, 0, 0], 71),
        ([None, *[WHOLE] * 68, 2 * WHOLE, 0, 0], 70),
        ([WHOLE] * 65, 65),
    ],
)
async def test_so_many_of_the_oldest_go_as_make_room_but_many_at_once(
    tmp_path: Path, sizes: list[int | None], leave: int
) -> None:
    world, keeper, _ = await started(tmp_path)
    keeper._store.front = Front(*sizes)  # type: ignore[method-assign]
    over = 1 if sizes[0] == 0 else 70
    keeper.books.limit = 1000
    keeper.books.used = int(WATERMARK * 1000) - 8 + over
    assert len(await keeper._room()) == leave
    await world.outbox.close()


# --- what is tried again ---


async def test_a_transaction_that_causes_losses_is_tried_again_as_it_was_before_anything_else(
    tmp_path: Path,
) -> None:
    world, keeper, disk = await started(tmp_path)
    world.configure(route(CITY, keep=3600.0))
    world.window()
    assert await keeper.commit()
    world.clock.turn(2 * 3600.0)
    disk.bad = True
    await keeper.keep_house()
    [stuck] = disk.works[1:]
    assert (stuck.blank, [row.message.kind for row in stuck.rows]) == ((1, 2), ["gap"])
    await keeper.keep_house()
    world.window()
    assert not await keeper.commit()
    assert disk.works[2:] == [stuck]
    disk.bad = False
    assert await keeper.commit()
    assert disk.works[3] == stuck
    assert [row.message.kind for row in disk.works[4].rows] == ["batch"]
    assert [(one.why, one.count) for one in losses(await world.deliver())] == [("ttl", 2)]
    await world.outbox.close()


async def test_while_the_disk_fails_what_is_owed_is_not_declared_again_and_again(tmp_path: Path) -> None:
    world, keeper, disk = await started(tmp_path)
    disk.bad = True
    world.window()
    await keeper.commit()
    world.outbox.lose(CITY, "clock", START, START + 60.0)
    await keeper.commit()
    assert [[row.message.kind for row in work.rows] for work in disk.works] == [["batch"], ["batch"]]
    disk.bad = False
    await keeper.commit()
    await keeper.commit()
    assert [row.message.kind for row in disk.works[-1].rows] == ["gap"]
    await world.outbox.close()


async def test_a_disk_with_a_thread_of_its_own_is_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start(boxed=True)
    world.window()
    await world.outbox.tend()
    assert [row.kind for row in await world.deliver()] == ["start", "batch"]
    await world.outbox.close()


@pytest.mark.parametrize(("failures", "reopened"), [(2, 0), (3, 1)])
async def test_a_file_on_which_three_commits_failed_is_opened_again(
    tmp_path: Path, failures: int, reopened: int
) -> None:
    world, keeper, disk = await started(tmp_path)
    world.window()
    disk.bad = True
    for _ in range(failures):
        await keeper.commit()
    await keeper.keep_house()
    assert disk.reopened == reopened
    disk.bad = False
    await world.outbox.close()
