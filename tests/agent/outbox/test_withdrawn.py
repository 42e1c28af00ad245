"""No row of a withdrawn or ended grant leaves, whatever the disk and the clock do at that moment."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.core.errors import OutboxError
from agent.outbox.work import Done
from tests.agent.outbox.scenes import START, TurnedClock, World, losses, route

DAY = 86400.0


async def test_a_grant_withdrawn_while_the_disk_fails_lets_nothing_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.routes = (route("city.energy"), route("city.people"))
    await world.start()
    await world.flush()
    await world.deliver()
    world.window("city.people")
    slow: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
    with monkeypatch.context() as stalled:
        stalled.setattr(world.outbox._port, "submit", lambda _: slow)
        commit = asyncio.ensure_future(world.outbox.flush())
        await asyncio.sleep(0)
        world.configure(route("city.energy"))
        slow.set_exception(OutboxError("the card is busy"))
        await commit
    await world.outbox._keeper.keep_house()
    await world.outbox.flush()
    rows = await world.deliver()
    await world.flush()
    rows += await world.deliver()
    assert [row.kind for row in rows] == ["gap"]
    assert [(loss.why, loss.first, loss.last) for loss in losses(rows)] == [("ttl", 2, 2)]
    await world.outbox.close()


async def test_what_was_made_without_a_clock_in_an_earlier_boot_does_not_outlive_its_grant(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.clock.synced = False
    await world.start()
    world.window()
    await world.flush()
    await world.outbox.close()
    last = datetime.fromtimestamp(START, UTC).date()
    world.clock = TurnedClock(START + 3 * DAY, synced=False, boot_id="00000002")
    world.routes = (route("city.energy", until=last),)
    await world.start()
    world.clock.synced = True
    assert [row.kind for row in await world.deliver() if row.kind == "batch"] == []
    await world.outbox.close()


async def test_a_recipient_that_is_renamed_gets_no_number_twice(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    for _ in range(3):
        world.window()
    await world.flush()
    before = await world.deliver()
    world.encodings = {"town": world.encodings["city"]}
    world.configure(route("town.energy"))
    world.window("town.energy")
    await world.flush()
    after = await world.deliver(recipient="town")
    assert [row.kind for row in after] == ["start", "batch"]
    ids = [dict(row.user)["id"] for row in [*before, *after]]
    assert len(set(ids)) == len(ids)
    await world.outbox.close()


async def test_another_recipient_of_the_same_product_tells_nothing_of_the_first(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    for _ in range(3):
        world.window()
    world.configure(route("city.energy"), route("lab.energy"))
    await world.flush()
    assert [row.seq for row in await world.deliver(recipient="lab")] == [1]
    await world.outbox.close()
