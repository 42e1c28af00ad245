"""A plan at work on made-up samples in made-up time: windows, gate and outbox are the real ones.

A month takes a moment. Products of different windows are rehearsed apart, each over a few of its windows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from agent.core.clock import Instant
from agent.core.plan import Plan
from agent.core.sample import Sample
from agent.flow import Flow
from agent.gate import Cleared
from agent.outbox.outbox import FILE
from agent.prove.scene import Parts
from agent.registry import encoder

Readings = Callable[[int, int], Mapping[str, float]]
"""Gives values by point, for a window's number and the number of the reading within it."""
IN_A_WINDOW: Final = 5
WINDOWS: Final = 3
_BOOT: Final = 1000.0
_LATE: Final = 3700.0  # longer than any window waits for late samples
_CAP: Final = 16 << 20
_KEEP: Final = 30 * 86400.0
_DAY: Final = 86400.0


def steady(values: Mapping[str, float]) -> Readings:
    """Let every reading of a point be the same."""
    return lambda _window, _reading: values


class MadeClock:
    """Time that passes when told to."""

    def __init__(self, utc: float) -> None:
        self._begin = utc
        self._passed = 0.0

    boot_id = "0" * 8

    def now(self) -> Instant:
        """Give this moment."""
        return Instant(self.boot(), self._begin + self._passed)

    def boot(self) -> float:
        """Give seconds since boot."""
        return _BOOT + self._passed

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self._passed += seconds

    async def sleep(self, seconds: float) -> None:
        """Let time pass, and others run."""
        self.pass_(max(0.0, seconds))
        await asyncio.sleep(0)


class Seen:
    """A store that only keeps what the gate cleared."""

    def __init__(self) -> None:
        self.cleared: list[Cleared] = []

    def put(self, cleared: Cleared) -> None:
        """Keep it."""
        self.cleared.append(cleared)

    def save(self, product: str, state: object) -> None:
        """Forget: a rehearsal is not gone on with."""

    def saved(self, product: str) -> object | None:
        """Give nothing."""
        return None

    def spend(self, cleared: Cleared) -> None:
        """Forget."""

    def lose(self, route: str, why: str, begin: float, end: float) -> None:
        """Forget."""


def cleared_by(
    plan: Plan, readings: Readings, parts: Parts, utc: float, *, windows: int = WINDOWS
) -> list[Cleared]:
    """Give all that the gate lets through of *plan* when its points read *readings*."""
    seen = Seen()
    for part in by_width(plan):
        _play(parts.flow(seen), part, readings, MadeClock(_morning(utc)), windows)
    return seen.cleared


async def written_by(plan: Plan, readings: Readings, parts: Parts, utc: float, folder: Path) -> Path:
    """Do the same with an outbox in *folder*; give its file."""
    encodings: dict[str, Any] = {one.name: encoder(one, plan.place) for one in plan.recipients}
    clock = MadeClock(_morning(utc))
    outbox = await parts.outbox(folder, cap=_CAP, keep=_KEEP, clock=clock, boxed=False)
    for part in by_width(plan):
        outbox.configure(part, encodings)
        _play(parts.flow(outbox), part, readings, clock)
        await outbox.flush()
    await outbox.close()
    return folder / FILE


def by_width(plan: Plan) -> Iterator[Plan]:
    """Give *plan* for the products of each width of window; of a plan without products itself."""
    widths = sorted({one.window for one in plan.products}) or [0.0]
    for width in widths:
        products = tuple(one for one in plan.products if one.window == width)
        names = {one.id for one in products}
        routes = tuple(one for one in plan.routes if one.product in names)
        yield replace(plan, products=products, routes=routes)


def _play(flow: Flow, plan: Plan, readings: Readings, clock: MadeClock, windows: int = WINDOWS) -> None:
    """Feed some windows and let them close."""
    width = max((one.window for one in plan.products), default=0.0) or 60.0
    flow.configure(plan)
    flow.begin(plan.products, clock.now())
    flow.release(clock.now())
    for window in range(windows):
        for reading in range(IN_A_WINDOW):
            clock.pass_(width / IN_A_WINDOW / 2)
            flow.feed(_samples(readings(window, reading), clock.boot()), clock.now())
            clock.pass_(width / IN_A_WINDOW / 2)
            flow.tick(clock.now())
    until, step = clock.boot() + width + _LATE, max(1.0, (width + _LATE) / 100)
    while clock.boot() < until:
        clock.pass_(step)
        flow.tick(clock.now())
    flow.end(list(flow.works))


def _samples(values: Mapping[str, float], boot: float) -> Iterable[Sample]:
    return [Sample(point, value, boot) for point, value in values.items()]


def _morning(utc: float) -> float:
    """Give the UTC midnight before *utc*, so that windows of a clock's hours begin with the rehearsal."""
    return utc // _DAY * _DAY
