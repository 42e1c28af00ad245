"""The outbox as a whole: numbers, starts, crashes, saved steps, and a disk that fails."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.core.errors import OutboxError
from agent.core.message import Loss
from agent.core.record import Aggregate
from agent.gate import Cleared
from agent.outbox.outbox import Outbox
from agent.outbox.work import Done, Work
from tests.agent.outbox.scenes import START, World, losses, route


async def test_an_epoch_opens_with_a_start_message(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    world.window()
    await world.flush()
    rows = await world.deliver()
    assert [(row.kind, row.epoch, row.seq) for row in rows] == [("start", 1, 1), ("batch", 1, 2)]
    assert json.loads(rows[0].body)["d"] is None
    assert world.outbox.queue("city").n == 0
    await world.outbox.close()


async def test_after_a_clean_stop_the_next_epoch_names_the_last_message(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    world.window()
    await world.flush()
    await world.deliver()
    await world.outbox.close()
    await world.start()
    await world.flush()
    (start,) = await world.deliver()
    assert json.loads(start.body)["d"] == {"epoch": 1, "last": 2, "clean": True}
    await world.outbox.close()


async def test_what_a_crash_cost_reaches_from_the_last_window_kept_to_the_next_one(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    world.window()
    await world.flush()
    await world.deliver()
    await world.outbox.flush()
    world.clock.turn(600.0)
    world.window()
    world.crash()
    world.clock.turn(120.0)
    await world.start()
    await world.flush()
    (start,) = await world.deliver()
    assert json.loads(start.body)["d"] == {"epoch": 1, "last": 2, "clean": False}
    world.window()
    await world.flush()
    batch, gap = await world.deliver()
    assert (batch.kind, gap.kind) == ("batch", "gap")
    assert losses([gap]) == [
        Loss(why="crash", epoch=1, first=3, last=None, count=None, begin=START, end=START + 660.0)
    ]
    await world.outbox.close()


async def test_crashes_without_a_window_between_them_are_one_loss(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    await world.outbox.flush()
    for _ in range(3):
        world.crash()
        await world.start()
    world.window()
    await world.flush()
    assert [(loss.why, loss.epoch) for loss in losses(await world.deliver())] == [("crash", 1)]
    await world.outbox.close()


async def test_a_crash_whose_gap_died_with_the_next_one_is_still_declared(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    world.window()
    await world.flush()
    world.crash()
    world.clock.turn(120.0)
    await world.start()
    await world.outbox.flush()
    world.window()
    world.crash()
    world.clock.turn(120.0)
    await world.start()
    world.window()
    await world.flush()
    (loss,) = losses(await world.deliver())
    assert (loss.epoch, loss.begin, loss.end) == (1, START, START + 180.0)
    await world.outbox.close()


async def test_a_crash_between_a_guessed_and_a_trusted_clock_has_no_times(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.clock.synced = False
    await world.start()
    world.window()
    await world.flush()
    world.crash()
    world.clock.synced = True
    await world.start()
    world.window()
    await world.flush()
    (loss,) = losses(await world.deliver())
    assert (loss.why, loss.begin, loss.end) == ("crash", None, None)
    await world.outbox.close()


async def test_a_withdrawn_route_declares_its_crash_without_waiting_for_a_window(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    world.window()
    await world.flush()
    world.crash()
    await world.start()
    world.routes = ()
    world.configure()
    await world.flush()
    assert "crash" in [loss.why for loss in losses(await world.deliver())]
    await world.outbox.close()


async def test_of_two_epochs_the_larger_one_wins(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    await world.outbox.close()
    (tmp_path / "epoch").write_text("41\n")
    assert (await world.start()).epoch == 42
    await world.outbox.close()
    assert (tmp_path / "epoch").read_text() == "42\n"
    (tmp_path / "epoch").write_text("no number")
    assert (await world.start()).epoch == 43
    await world.outbox.close()


async def test_a_new_file_has_a_new_lid_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert (await world.start()).lid == "00000001"
    await world.outbox.close()
    assert (await world.start()).lid == "00000001"
    await world.outbox.close()
    (tmp_path / "outbox.db").unlink()
    assert (await world.start()).lid == "00000002"
    await world.outbox.close()


async def test_nothing_is_handed_out_before_it_is_safe(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    feed = world.outbox.feed("city")
    feed.online(True)
    world.window()
    assert await feed.take(20, 20) == []
    await world.outbox.flush()
    assert len(await feed.take(20, 20)) == 2
    await world.outbox.close()


async def test_only_what_the_gate_cleared_is_taken(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    with pytest.raises(TypeError, match="only what the gate has cleared"):
        world.outbox.put(Aggregate("meter.power", START, 60.0, 1, (1.0,)))  # type: ignore[arg-type]
    await world.outbox.close()


async def test_records_of_a_closed_route_are_dropped_without_a_number(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    late: list[Cleared] = world.clear("city.energy", Aggregate("meter.power", START, 60.0, 1, (1.0,)))
    world.configure(route("city.people"))
    for one in late:
        world.outbox.put(one)
    await world.flush()
    assert {row.kind for row in await world.deliver()} == {"start"}
    await world.outbox.close()


async def test_a_pipelines_memory_becomes_safe_with_the_rows_before_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    await world.outbox.flush()
    world.window()
    world.outbox.save("energy", {"counter": 81234.5})
    world.crash()
    await world.start()
    assert world.outbox.saved("energy") is None
    world.window()
    world.outbox.save("energy", {"counter": 81234.5})
    await world.outbox.flush()
    world.crash()
    await world.start()
    assert world.outbox.saved("energy") == {"counter": 81234.5}
    await world.outbox.close()


async def test_an_unchanged_memory_is_not_written_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    world.outbox.save("energy", {"counter": 1})
    await world.outbox.flush()
    world.outbox.save("energy", {"counter": 1})
    assert not world.outbox._books.dirty
    await world.outbox.close()


async def test_acknowledgements_ride_with_the_next_window(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    await world.outbox.flush()
    await world.deliver()
    commits = world.outbox._keeper._last_commit
    assert not world.outbox._books.urgent
    assert world.outbox._books.dirty
    assert world.outbox._keeper._last_commit == commits
    world.window()
    await world.outbox.flush()
    world.crash()
    await world.start()
    await world.outbox.flush()
    assert [row.kind for row in await world.deliver()] == ["batch", "start"]
    await world.outbox.close()


async def test_the_time_is_told_once_on_routes_that_went_without(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.routes = (route("city.energy"), route("city.people"))
    world.clock.synced = False
    await world.start()
    world.window("city.energy")
    await world.flush()
    world.clock.synced = True
    world.outbox.tell_time(world.clock.now().offset)
    world.outbox.tell_time(world.clock.now().offset)
    await world.flush()
    world.outbox.tell_time(world.clock.now().offset)
    told = [row for row in await world.deliver() if row.kind == "time"]
    assert [(row.route, json.loads(row.body)["d"]) for row in told] == [
        ("city.energy", world.clock.now().offset)
    ]
    await world.outbox.close()


async def test_what_will_never_come_can_be_declared(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    world.outbox.lose("city.energy", "clock", START, START + 60.0)
    await world.flush()
    (loss,) = losses(await world.deliver())
    assert (loss.why, loss.first, loss.last, loss.begin, loss.end) == ("clock", 2, None, START, START + 60.0)
    await world.outbox.close()


class BadDisk:
    """Stands before a store and lets nothing through while it is bad."""

    def __init__(self, outbox: Outbox) -> None:
        self.bad = True
        self._commit = outbox._store.commit
        outbox._store.commit = self.commit  # type: ignore[method-assign]

    def commit(self, work: Work) -> Done:
        if self.bad:
            raise OutboxError("the disk does not answer as it should: disk I/O error")
        return self._commit(work)


async def test_while_the_disk_fails_messages_wait_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path)
    await world.start()
    disk = BadDisk(world.outbox)
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            world.window()
            await world.outbox.flush()
        assert "disk I/O error" in world.outbox.trouble
        disk.bad = False
        await world.flush()
    assert world.outbox.trouble == ""
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert [row.seq for row in await world.deliver()] == [1, 2, 3, 4, 5, 6]
    await world.outbox.close()


async def test_memory_is_bounded_while_the_disk_fails_and_the_oldest_is_declared(tmp_path: Path) -> None:
    world = World(tmp_path, cap=1 << 20)
    await world.start()
    disk = BadDisk(world.outbox)
    for _ in range(500):
        world.window(size=1000)
        await world.outbox.flush()
    assert world.outbox._books.pending_size <= 1 << 16
    disk.bad = False
    await world.flush()
    rows = await world.deliver()
    (loss,) = losses(rows)
    kept = [row.seq for row in rows if row.kind == "batch"]
    assert (loss.why, loss.first, loss.last) == ("cap", 1, kept[0] - 1)
    assert kept[-1] == 501
    await world.outbox.close()


async def test_losses_are_declared_once_even_if_pruning_fails_at_first(tmp_path: Path) -> None:
    world = World(tmp_path, cap=1 << 20)
    await world.start()
    while world.outbox._books.floor == 0:
        world.window(size=1500)
        await world.outbox.flush()
    await world.deliver()
    disk = BadDisk(world.outbox)
    before = world.outbox.queue("city").n
    world.clock.turn(world.keep + 86400.0)
    await world.outbox._keeper.keep_house()
    assert world.outbox._keeper._stuck is not None
    disk.bad = False
    await world.flush()
    assert world.outbox.queue("city").n == before == 0
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db:
        assert db.execute("SELECT count(*) FROM row").fetchone()[0] < 64
    await world.outbox.close()


async def test_the_service_commits_and_wakes_the_uplink_by_itself(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start(boxed=True)
    feed = world.outbox.feed("city")
    feed.online(True)
    service = asyncio.ensure_future(world.outbox.run())
    world.window()
    rows: list[str] = []
    async with asyncio.timeout(10):
        while len(rows) < 2:
            await feed.wait()
            rows += [row.kind for row in await feed.take(20, 20)]
    assert rows == ["start", "batch"]
    service.cancel()
    await asyncio.wait([service])
    await world.outbox.close()


async def test_a_cancelled_commit_is_known_when_the_next_begins(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start(boxed=True)
    for n in range(30):
        world.window()
        task = asyncio.ensure_future(world.outbox.flush())
        for _ in range(n % 4):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await world.outbox.flush()
    rows = await world.deliver()
    assert [row.seq for row in rows] == list(range(1, 32))
    await world.outbox.close()


def never_called(outbox: Outbox, aggregate: Aggregate) -> None:
    """Hold the type checker to it: a record that the gate has not cleared does not fit."""
    outbox.put(aggregate)  # type: ignore[arg-type]
