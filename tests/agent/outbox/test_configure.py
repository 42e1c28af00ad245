"""What the outbox is called, what a plan grants it, and what it says of its queue."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.outbox.outbox import Outbox
from tests.agent.outbox.scenes import CAP, KEEP, TurnedClock, World, route

LAST_DAY = date(2026, 11, 21)
ENDS = datetime(2026, 11, 22, tzinfo=ZoneInfo("Europe/Helsinki")).timestamp()


async def test_a_lid_is_eight_digits_that_nobody_else_has(tmp_path: Path) -> None:
    lids = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        outbox = await Outbox.open(tmp_path / name, cap=CAP, keep=KEEP, clock=TurnedClock(), boxed=False)
        lids.add(outbox.lid)
        await outbox.close()
    assert len(lids) == 2
    assert all(re.fullmatch("[0-9a-f]{8}", lid) for lid in lids)


@pytest.mark.parametrize(
    ("utc", "synced", "granted"),
    [(ENDS - 1.0, True, True), (ENDS, True, False), (ENDS, False, True), (ENDS - 1.0, False, True)],
)
async def test_a_grant_ends_at_midnight_of_the_site_as_far_as_the_time_is_known(
    tmp_path: Path, utc: float, *, synced: bool, granted: bool
) -> None:
    world = World(tmp_path)
    world.clock.utc, world.clock.synced = utc, synced
    world.routes = (route("city.energy", until=LAST_DAY),)
    await world.start()
    lane = world.outbox._books.lane("city.energy")
    assert lane.granted is granted
    if granted:
        assert lane.ends == ENDS
    await world.outbox.close()


async def test_what_waits_is_counted_from_its_oldest_message(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.routes = (route("city.energy"), route("city.people"))
    await world.start()
    await world.flush()
    await world.deliver()
    assert world.outbox.queue("city").oldest is None
    world.window()
    await world.flush()
    world.clock.turn(60.0)
    queue = world.outbox.queue("city")
    assert (queue.n, queue.oldest, queue.cap) == (1, world.clock.utc - 60.0, CAP)
    await world.outbox.close()
