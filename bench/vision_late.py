"""Four cameras on two cores: the time between two analyses of each, against the 200 ms that were asked for.

All are 480p over RTSP, 25 frames a second, one model in turn. A camera whose analysis misses its deadline
(the moment at which the next one is due) has fewer of them. Beside it, the CPU that all this takes, against
the two cores. Whatever else this computer does is kept behind it, where we may do that.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Final, NamedTuple

from agent.core.sight import RATE as ACHIEVED
from bench._eye import before_others, cameras, eye
from bench._report import Figure, show

_MANY: Final = 4
_WANTED: Final = 5.0  # analyses a second
_CELLS: Final = 10
_CORES: Final = 2


class Took(NamedTuple):
    """The share of its analyses that each camera had, and the CPU of a second, in ms."""

    done: list[float]
    spent: float


def main() -> None:
    """Measure on two cores and tell."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:_CORES]))
    before_others()
    took = asyncio.run(_took())
    print("analyses done by their deadline: " + ", ".join(f"{min(1.0, one):.1%}" for one in took.done))
    step = 1000 / _WANTED
    show([
        Figure(
            name="vision_late.slowest", what=f"slowest of {_MANY} cameras", value=step / min(took.done),
            unit="ms between analyses", against="as asked for", floor=step, aim=1.05 * step,
        ),
        Figure(
            name="vision_late.cpu", what=f"CPU of {_MANY} cameras", value=took.spent,
            unit="ms of CPU a second", against="two cores", floor=1000.0 * _CORES,
        ),
    ])  # fmt: skip


async def _took() -> Took:
    """Let all be counted for a while."""
    with cameras("480p", _MANY) as (_, sources):
        async with eye(sources, unconfined=True) as one:
            await one.settle()
            spent, begun = one.spent(), time.perf_counter()
            cells = [[told[ACHIEVED] for told in await one.cell()] for _ in range(_CELLS)]
            taken = (one.spent() - spent) * 1000 / (time.perf_counter() - begun)
    return Took([sum(rates) / _CELLS / _WANTED for rates in zip(*cells, strict=True)], taken)


if __name__ == "__main__":
    main()
