"""What a process without a cage has made never follows its recipient to another computer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.core.errors import OutboxError
from agent.outbox.work import Done
from tests.agent.outbox.scenes import World, losses

HERE, THERE = "127.0.0.1", "broker.city.example"


async def begun(folder: Path, *, windows: int = 3) -> World:
    """Queue unconfined windows for a recipient on loopback that is away."""
    world = World(folder)
    world.host, world.unconfined = HERE, True
    await world.start()
    for _ in range(windows):
        world.window()
        world.clock.turn(60)
    return world


async def repointed(world: World) -> list[str]:
    """Point the recipient at another computer, and give the kinds of what leaves."""
    world.host, world.unconfined = THERE, False
    world.configure()
    await world.flush()
    rows = await world.deliver()
    await world.flush()
    return [row.kind for row in [*rows, *await world.deliver()]]


async def test_on_this_computer_it_arrives(tmp_path: Path) -> None:
    world = await begun(tmp_path)
    await world.flush()
    assert [row.kind for row in await world.deliver()].count("batch") == 3
    assert "batch" not in await repointed(world)
    await world.outbox.close()


@pytest.mark.parametrize("safe", [True, False])
async def test_what_waits_is_erased_and_declared_when_the_recipient_moves_away(
    tmp_path: Path, *, safe: bool
) -> None:
    world = await begun(tmp_path)
    if safe:
        await world.flush()
    kinds = await repointed(world)
    assert "batch" not in kinds
    assert [(one.why, one.first, one.last, one.count) for one in losses(world.got)] == [
        ("unconfined", 2, 4, 3)
    ]
    world.window()
    await world.flush()
    assert [row.kind for row in await world.deliver()] == ["batch"]
    await world.outbox.close()


@pytest.mark.parametrize("end", ["stop", "crash", "salvage"])
async def test_neither_a_restart_nor_a_crash_nor_a_salvage_forgets_it(tmp_path: Path, end: str) -> None:
    world = await begun(tmp_path)
    await world.flush()
    if end == "stop":
        await world.outbox.close()
    else:
        world.crash()
    if end == "salvage":
        (tmp_path / "outbox.damaged").write_text("found")
    world.host, world.unconfined = THERE, False
    await world.start()
    kinds = await repointed(world)
    assert "batch" not in kinds
    assert ("unconfined", 3) in [(one.why, one.count) for one in losses(world.got)]
    await world.outbox.close()


async def test_it_is_not_handed_out_while_the_disk_is_too_slow_to_erase_it(tmp_path: Path) -> None:
    world = await begun(tmp_path)
    await world.flush()
    world.host = THERE
    world.configure()
    assert [row.kind for row in await world.deliver()] == []
    await world.outbox.close()


async def test_it_is_not_handed_out_when_it_lands_after_the_recipient_has_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await begun(tmp_path, windows=0)
    await world.flush()
    world.window()
    port = world.outbox._port
    slow: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
    with monkeypatch.context() as stalled:
        works: list[Callable[[], Done]] = []

        def submit(work: Callable[[], Done]) -> asyncio.Future[Done]:
            works.append(work)
            return slow

        stalled.setattr(port, "submit", submit)
        commit = asyncio.ensure_future(world.outbox.flush())
        await asyncio.sleep(0)
        world.host = THERE
        world.configure()
    slow.set_result(await port.submit(works[0]))
    await commit
    assert "batch" not in [row.kind for row in await world.deliver()]
    assert "batch" not in await repointed(world)
    await world.outbox.close()


async def test_a_disk_that_fails_meanwhile_does_not_let_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await begun(tmp_path)
    await world.flush()
    world.host = THERE
    world.configure()
    failed: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
    failed.set_exception(OutboxError("the card is busy"))
    with monkeypatch.context() as broken:
        broken.setattr(world.outbox._port, "submit", lambda _: failed)
        await world.outbox._keeper.keep_house()
    assert "batch" not in await repointed(world)
    assert ("unconfined", 3) in [(one.why, one.count) for one in losses(world.got)]
    await world.outbox.close()


async def test_back_on_this_computer_nothing_that_is_left_is_erased(tmp_path: Path) -> None:
    world = await begun(tmp_path)
    await world.flush()
    world.host = THERE
    world.configure()
    world.host = HERE
    world.configure()
    await world.flush()
    assert [row.kind for row in await world.deliver()].count("batch") == 3
    await world.outbox.close()
