"""What may happen to a gateway, drawn at random: where, what, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from tests.simulation import broker, disk, meters
from tests.simulation.site import SHARES, write_sharing
from tests.simulation.world import Simulation

_MINUTE: Final = 60.0


async def rage(world: Simulation, seconds: float, *, pause: float = 240.0) -> None:
    """Let troubles come for *seconds*, one after the other or several at once; then all is well again."""
    until = world.clock.boot() + seconds
    under_way: set[asyncio.Task[None]] = set()
    while world.clock.boot() < until:
        await world.clock.sleep(world.rng.expovariate(1 / pause))
        world.sizes.append(sum(world.disk.sizes().values()))
        if world.died():
            await world.revive()
        kind = world.rng.choice(KINDS)
        if kind in LIVES:
            await kind(world)
        else:
            under_way.add(asyncio.create_task(kind(world)))  # type: ignore[arg-type]
        under_way = {one for one in under_way if not one.done()}
    if under_way:
        await asyncio.wait(under_way)
    await heal(world)


async def heal(world: Simulation) -> None:
    """Put everything right again."""
    for bus in world.buses:
        bus.mode = "well"
    for meter in world.meters.values():
        meter.mode = "well"
    for one in world.brokers.values():
        one.mode = "well"
    world.disk.mode = "well"
    world.clock.synced = True
    write_sharing(world.config, windows=world.windows)
    if world.died():
        await world.revive()
    await world.reload()
    world.note("all is well again")


async def _meter(world: Simulation) -> None:
    meter = world.rng.choice(list(world.meters.values()))
    meter.mode = world.rng.choice(meters.MODES)
    world.note(f"meter {meter.number}: {meter.mode}")
    await world.clock.sleep(world.rng.uniform(5, 20 * _MINUTE))
    meter.mode = "well"
    world.note(f"meter {meter.number}: well")


async def _bus(world: Simulation) -> None:
    bus = world.rng.choice(world.buses)
    what = world.rng.choice(("refusing", "unreachable", "cut", "reset"))
    world.note(f"bus {sorted(bus.meters)}: {what}")
    if what == "cut":
        bus.cut()
    elif what == "reset":
        for end in bus.open:
            end.reset()
    else:
        bus.mode = what
        bus.cut()
        await world.clock.sleep(world.rng.uniform(5, 20 * _MINUTE))
        bus.mode = "well"
        world.note(f"bus {sorted(bus.meters)}: well")


async def _broker(world: Simulation) -> None:
    name = world.rng.choice(list(world.brokers))
    one = world.brokers[name]
    one.mode = world.rng.choice(broker.MODES)
    world.note(f"broker {name}: {one.mode}")
    if one.mode == "away":
        one.drop()
    await world.clock.sleep(world.rng.uniform(2, 40 * _MINUTE))
    one.mode = "well"
    world.note(f"broker {name}: well")


async def _disk(world: Simulation) -> None:
    world.disk.mode = world.rng.choice(disk.MODES)
    world.note(f"disk: {world.disk.mode}")
    await world.clock.sleep(world.rng.uniform(1, 10 * _MINUTE))
    world.disk.mode = "well"
    world.note("disk: well")


async def _clock(world: Simulation) -> None:
    what = world.rng.choice(("forward", "back", "unsynced"))
    world.stepped += 1
    if what == "unsynced":
        world.clock.synced = False
        world.note("clock: not synchronised")
        await world.clock.sleep(world.rng.uniform(10, 10 * _MINUTE))
        world.clock.synced = True
        world.note("clock: synchronised")
    else:
        step = world.rng.choice((2.0, 45.0, 600.0, 4000.0)) * (1 if what == "forward" else -1)
        world.clock.step(step)
        world.note(f"clock: {step:+g} s")


async def _kill(world: Simulation) -> None:
    world.note("kill -9")
    await world.kill()
    await world.clock.sleep(world.rng.uniform(1, 300))
    await world.start()


async def _cut(world: Simulation) -> None:
    world.note("power is cut in the middle of a commit")
    await world.cut_power()
    if world.died() or not world.alive:
        await world.clock.sleep(world.rng.uniform(1, 300))
        world.disk.mode = "well"
        await world.start()


async def _restart(world: Simulation) -> None:
    world.note("stop and start")
    await world.stop()
    await world.clock.sleep(world.rng.uniform(0, 200))
    await world.start()


async def _reload(world: Simulation) -> None:
    share, broken = world.rng.choice((0, 0, 0, *range(len(SHARES)))), world.rng.random() < 0.2
    world.reshared += share != 0
    world.note(f"reload: share {share}{', with a fault in it' if broken else ''}")
    write_sharing(world.config, share, windows=world.windows, broken=broken)
    await world.reload()
    write_sharing(world.config, share, windows=world.windows)


Trouble = Callable[[Simulation], Awaitable[None]]
LIVES: Final[tuple[Trouble, ...]] = (_kill, _cut, _restart, _reload)
KINDS: Final[tuple[Trouble, ...]] = (
    _meter, _meter, _meter, _bus, _bus, _broker, _broker, _broker, _disk, _disk, _clock, _kill, _cut,
    _restart, _reload,
)  # fmt: skip
