"""A steady beat: due times that do not drift, and missed ones that are skipped rather than made up for.

Beats without a phase meet on whole seconds since boot, so that a hundred links wake a process once a second
and not a hundred times: to sleep and to wake cost three times what a poll does (`make bench-modbus-poll`).
What is due at one moment is done one after the other, always in the same order, so it stays as regular.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from math import ceil
from typing import Final

from agent.core.clock import Clock

_GRID: Final = 1.0  # seconds


async def ticks(
    clock: Clock, every: float, phase: float = 0.0, *, grace: float = 0.0
) -> AsyncIterator[float]:
    """Give boot-time seconds at ``phase + n * every``, each when it is due; overdue ones are left out.

    The latest is given at once if it is overdue for less than *grace* seconds.

    From the second on they fall on whole seconds (or multiples of *every*, if that is less) and the phase:
    the second is put off as long as that takes.
    """
    due = clock.boot() + phase
    grid = min(every, _GRID)
    await clock.sleep(phase)
    yield due
    due = ceil((due - phase) / grid) * grid + phase
    while True:
        now = clock.boot()
        due += every
        if due <= now:
            due += (now - due) // every * every
            if now - due >= grace:
                due += every
        await clock.sleep(due - clock.boot())
        yield due
