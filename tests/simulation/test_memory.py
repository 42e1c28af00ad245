"""What comes and goes leaves nothing behind in a gateway: round after round, the same objects."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections import Counter
from pathlib import Path
from weakref import ReferenceType

import pytest

from tests.simulation.network import SimLoop
from tests.simulation.site import SHARES, write_sharing
from tests.simulation.world import Simulation

_MODES = ("silent", "garbage", "exception", "wrong_number", "half", "reset")


async def _round(world: Simulation, number: int) -> None:
    """Let everything end and begin again once; then forget what only the test keeps."""
    for bus in world.buses:
        for end in bus.open:
            end.reset()
    for broker in world.brokers.values():
        broker.drop()
    await world.clock.sleep(40)
    for meter in world.meters.values():
        meter.mode = _MODES[number % len(_MODES)]
    world.disk.mode = ("error", "full")[number % 2]
    await world.clock.sleep(40)
    world.disk.mode = "well"
    for meter in world.meters.values():
        meter.mode = "well"
        meter.served.clear()
    for broken in (True, False):
        write_sharing(world.config, number % len(SHARES), windows=world.windows, broken=broken)
        await world.reload()
    await world.clock.sleep(60)
    for books in world.books.values():
        for kept in (books.routes, books.births, books.statuses, books.texts):
            kept.clear()
    world.history.clear()
    world.sizes.clear()


def _census() -> tuple[int, Counter[str]]:
    """Count blocks of memory and objects; SQLite's module keeps up to 200 dead references to cursors."""
    gc.collect()
    kinds = Counter(type(one).__qualname__ for one in gc.get_objects() if not isinstance(one, ReferenceType))
    return sys.getallocatedblocks(), kinds


async def _live(world: Simulation, rounds: int) -> list[tuple[int, Counter[str]]]:
    await world.start()
    await world.clock.sleep(600)
    found = []
    for number in range(3 * rounds):
        await _round(world, number)
        if (number + 1) % rounds == 0:
            found.append(_census())
    await world.stop()
    return found


@pytest.mark.parametrize("rounds", [6, pytest.param(240, marks=pytest.mark.long)])
def test_what_comes_and_goes_leaves_nothing_behind(
    rounds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own keep every line
    world = Simulation(5, tmp_path)

    def make_loop() -> SimLoop:
        loop = SimLoop()
        loop.network = world.network
        return loop

    with world, asyncio.Runner(loop_factory=make_loop) as runner:
        _, (blocks, before), (later, after) = runner.run(_live(world, rounds))
    grown = {kind: many - before[kind] for kind, many in after.items() if many > before[kind]}
    assert sum(grown.values()) < 100, grown
    assert later - blocks < 1000, grown
    assert not world.faults
