"""Windows that were never made between an orderly stop and the next start are declared, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.message import Loss
from tests.agent.outbox.scenes import START, World, losses


async def _stopped(world: World) -> None:
    """Publish a window that ends at START, and stop in order."""
    await world.start()
    world.window()
    await world.flush()
    await world.deliver()
    await world.outbox.close()


async def _next(world: World, seconds: float) -> list[Loss]:
    """Publish the window that ends so much later; give what is declared lost."""
    world.clock.turn(seconds)
    world.window()
    await world.flush()
    return losses(await world.deliver())


@pytest.mark.parametrize("handed_on", [0, 1, 2])
async def test_windows_between_a_stop_and_a_start_are_declared(tmp_path: Path, handed_on: int) -> None:
    world = World(tmp_path)
    await _stopped(world)
    await world.start()
    for _ in range(handed_on):  # windows that were open at the stop go on
        assert await _next(world, 60.0) == []
    since = START + 60.0 * handed_on
    assert await _next(world, 180.0) == [
        Loss(why="stopped", epoch=1, first=3, last=None, count=None, begin=since, end=since + 120.0)
    ]
    assert await _next(world, 60.0) == []
    await world.outbox.close()


async def test_a_stop_that_cost_no_window_declares_none(tmp_path: Path) -> None:
    world = World(tmp_path)
    await _stopped(world)
    await world.start()
    for _ in range(3):
        assert await _next(world, 60.0) == []
    assert await _next(world, 600.0) == [], "a hole much later has another reason"
    await world.outbox.close()


async def test_what_two_clocks_say_is_not_compared(tmp_path: Path) -> None:
    world = World(tmp_path)
    await _stopped(world)
    world.clock.synced = False
    await world.start()
    assert await _next(world, 60.0) == [Loss(why="stopped", epoch=1, first=3, last=None, count=None)]
    await world.outbox.close()
