"""Runs one seed from the first second to the verdict."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from tests.simulation.judge import judge, settled
from tests.simulation.meters import BESIDE
from tests.simulation.network import SimLoop
from tests.simulation.troubles import rage
from tests.simulation.world import Simulation

HOURS: Final = 1.5
_DAY: Final = 86400.0
_QUIET: Final = 30 * 60.0
"""Seconds after the last trouble in which everything must have recovered: routes that a broker refused are
probed again after 15 minutes, and what waited for them drains at the recipient's rate."""


def run(seed: int, folder: Path, *, hours: float = HOURS) -> Simulation:
    """Simulate *hours* of trouble and the quiet after it; what is wrong stands in ``faults``."""
    return _judged(Simulation(seed, folder), hours * 3600, pause=240.0)


def year(seed: int, folder: Path, *, days: float = 365.0) -> Simulation:
    """Simulate a year of twenty devices, polled every five minutes, with a trouble every six hours.

    The daemon's tick comes once a minute instead of once a second: nothing here is shorter than an hour. What
    late replies can do is for the hours of trouble: here all of a meter comes in one request.
    """
    links = {f"floor{n}": tuple(range(5 * n + 1, 5 * n + 6)) for n in range(4)}
    world = Simulation(seed, folder, links=links, every="5m", windows=("1h", "1h"), tick=60.0, places=BESIDE)
    return _judged(world, days * _DAY, pause=6 * 3600.0)


def _judged(world: Simulation, seconds: float, *, pause: float) -> Simulation:
    def make_loop() -> SimLoop:
        loop = SimLoop()
        loop.network = world.network
        return loop

    with world, asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(_live(world, seconds, pause))
    world.faults[:] = judge(world)
    return world


async def _live(world: Simulation, seconds: float, pause: float) -> None:
    await world.start()
    await world.clock.sleep(600)
    await rage(world, seconds, pause=pause)
    await world.clock.sleep(_QUIET)
    world.faults += settled(world)
    world.utc_end = world.clock.now().utc
    await world.stop()
