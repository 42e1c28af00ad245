"""What one dead unit of ten costs the other nine on a serial line, against a line on which it is not asked.

Ten meters at 9600 baud that are always due, on a simulated line and virtual time: a quarter of an hour each,
after the time that it takes to find out. A cycle is the mean time from one reading of a meter to its next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Sequence
from statistics import mean

from msgspec.structs import replace

from agent.core.driver import Desk
from agent.core.duration import Duration
from bench._report import Figure, show
from bench.modbus_plan import meter
from drivers.modbus.figures import Figures
from drivers.modbus.line import rtu_cost
from drivers.modbus.link import Link
from drivers.modbus.poll import Poller
from drivers.modbus.reader import Reader
from tests.drivers.modbus.bus import Bus
from tests.virtual import VirtualClock, simulate

BAUD, UNITS, DEAD = 9600, range(1, 11), 3
CEILING, FIND_OUT, SECONDS = 3.0, 90.0, 900.0
BAR = 1.02


def main() -> int:
    """Print the figure; 1 if the dead one costs more than a fiftieth."""
    logging.disable(logging.WARNING)  # that the line is overloaded
    print(f"{SECONDS / 60:g} minutes of a line without the dead unit, and as many with it ...", flush=True)
    alone = simulate(_cycle([unit for unit in UNITS if unit != DEAD]))
    cycle = simulate(_cycle(UNITS))
    figure = Figure(
        name="modbus_dead.bus.cycle", what=f"a cycle of nine meters at {BAUD} baud, the tenth is dead",
        value=1000 * cycle, unit="ms", against="the nine alone", floor=1000 * alone,
    )  # fmt: skip
    show([figure])
    if figure.ratio > BAR:
        print(f"the dead unit costs the others {100 * figure.ratio - 100:.1f} %", file=sys.stderr)
    return 1 if figure.ratio > BAR else 0


async def _cycle(units: Sequence[int]) -> float:
    """Poll *units*; give the mean seconds of a cycle of those that answer."""
    clock, bus, kind = VirtualClock(), Bus(BAUD), meter("eastron/sdm120")
    bus.dead = {DEAD}
    async with Link(bus, clock, Figures({}), ceiling=CEILING) as link:
        devices = [replace(kind, name=f"m{unit}", unit=unit, every=Duration(0.1)) for unit in units]
        cost = rtu_cost(BAUD, "8N1")
        readers = [Reader(one, link, clock, timeout=CEILING, cost=cost) for one in devices]
        poller = Poller(link, readers, lambda _: None, clock=clock, desk=Desk())
        task = asyncio.create_task(poller.run())
        await clock.sleep(FIND_OUT)
        begun = clock.boot()
        await clock.sleep(SECONDS)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert not bus.faults, bus.faults[0]
    return mean(_period(bus, unit, begun) for unit in units if unit != DEAD)


def _period(bus: Bus, unit: int, begun: float) -> float:
    """Give the mean seconds between two readings of the lowest registers of *unit*."""
    asked = [(at, one.addr) for at, one in bus.asked if one.unit == unit and at > begun]
    lowest = min(addr for _, addr in asked)
    ats = [at for at, addr in asked if addr == lowest]
    return (ats[-1] - ats[0]) / (len(ats) - 1)


if __name__ == "__main__":
    raise SystemExit(main())
