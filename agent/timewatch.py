"""Watches the time of day: waits for it to be right at the start, and notices when it is set.

Devices are polled from the first second on; only windows wait, because a window published under a wrong
hour cannot be called back. A gateway without a network must publish too, so the wait has an end.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from agent.core.clock import Instant

_STEP: Final = 1.0  # seconds; below it the kernel slews, and no window is torn


class News(Struct, frozen=True):
    """What one look at the clock told.

    ``begin``: windows may be published from now on, said once. ``synced``: the clock has become
    trustworthy after publishing began, said once. ``step``: seconds by which the time of day was set.
    """

    begin: bool = False
    synced: bool = False
    step: float = 0.0


class TimeWatch:
    """Compares each instant with the one before."""

    def __init__(self, start: Instant, wait: float) -> None:
        self.waiting = True
        self._until = start.boot + wait
        self._last = start
        self._was_synced = start.synced

    def look(self, now: Instant) -> News:
        """Give what is new at *now*."""
        step = now.offset - self._last.offset
        self._last = now
        begin = self.waiting and (now.synced or now.boot >= self._until)
        first_sync = now.synced and not self._was_synced and not self.waiting
        self.waiting = self.waiting and not begin
        self._was_synced = self._was_synced or now.synced
        return News(begin=begin, synced=first_sync, step=step if abs(step) > _STEP else 0.0)
