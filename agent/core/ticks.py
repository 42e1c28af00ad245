"""A steady beat: due times that do not drift, and missed ones that are skipped rather than made up for."""

from __future__ import annotations

from collections.abc import AsyncIterator

from agent.core.clock import Clock


async def ticks(clock: Clock, every: float, phase: float = 0.0) -> AsyncIterator[float]:
    """Give boot-time seconds at ``phase + n * every``, each when it is due; overdue ones are left out."""
    due = clock.boot() + phase
    while True:
        await clock.sleep(due - clock.boot())
        yield due
        now = clock.boot()
        due += every
        if due <= now:
            due += ((now - due) // every + 1) * every
