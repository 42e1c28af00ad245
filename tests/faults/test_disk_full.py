"""With not a byte left on the disk the outbox still appends, acknowledges, prunes and drains."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.outbox.verdict import verify
from tests.agent.outbox.scenes import World, covered, losses
from tests.faults.disks import Disk, need_root, new_disk

CAP = 16 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    need_root()
    with new_disk(tmp_path, 48) as made:
        yield made


def free(disk: Disk) -> int:
    found = os.statvfs(disk.path)
    return found.f_bavail * found.f_frsize


async def produce(world: World, commits: int) -> set[tuple[str, int, int]]:
    """Commit batches of rows and give their numbers."""
    made = set()
    for _ in range(commits):
        world.clock.turn(60.0)
        for _one in range(4):
            world.window(size=1600)
        lane = world.outbox._books.lanes["city.energy"]
        made |= {(lane.name, lane.epoch, lane.seq - back) for back in range(4)}
        await world.outbox.flush()
    return made


async def settle(world: World) -> None:
    for _ in range(3):
        await world.flush()
        await world.deliver()


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(30, id="early"),
        pytest.param(0, id="at once", marks=pytest.mark.long),
        pytest.param(600, id="grown", marks=pytest.mark.long),
    ],
)
async def test_a_full_disk_costs_the_oldest_rows_and_says_so(disk: Disk, before: int) -> None:
    world = World(disk.path, cap=CAP)
    await world.start()
    made = await produce(world, before)
    disk.fill()
    assert free(disk) == 0
    made |= await produce(world, 900)
    assert world.outbox.trouble == ""
    queue = world.outbox.queue("city")
    assert 0 < queue.n < len(made)
    await settle(world)
    assert world.outbox.queue("city").n == 0
    assert [one for one in sorted(made) if not covered(world.got, *one)] == []
    assert {loss.why for loss in losses(world.got)} == {"cap"}
    await world.outbox.close()
    assert verify(disk.path / "outbox.db").faults == ()


@pytest.mark.parametrize(
    "clean",
    [pytest.param(False, id="killed"), pytest.param(True, id="stopped", marks=pytest.mark.long)],
)
async def test_a_start_on_a_full_disk_works_like_any_other(disk: Disk, clean: bool) -> None:
    world = World(disk.path, cap=CAP)
    await world.start()
    made = await produce(world, 400)
    disk.fill()
    made |= await produce(world, 300)
    if clean:
        await world.outbox.close()
    else:
        world.crash()
    disk.fill()
    await world.start()
    made |= await produce(world, 300)
    assert world.outbox.trouble == ""
    await settle(world)
    assert [one for one in sorted(made) if not covered(world.got, *one)] == []
    assert world.outbox.queue("city").n == 0
    await world.outbox.close()
    assert verify(disk.path / "outbox.db").faults == ()


async def test_when_the_disk_has_room_again_the_cap_is_the_cap(disk: Disk) -> None:
    world = World(disk.path, cap=CAP)
    await world.start()
    await produce(world, 100)
    filler = disk.fill()
    await produce(world, 300)
    assert world.outbox._books.limit < CAP // 4096
    filler.unlink()
    os.sync()
    world.clock.turn(61.0)
    await world.outbox._keeper.keep_house()
    assert world.outbox._books.limit == CAP // 4096
    await world.outbox.close()
