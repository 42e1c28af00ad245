"""Pings in silence, and gives up on a broker that does not answer them.

Silence in either direction counts: a half-open link swallows what is sent, and only an answer proves life.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

_EARLY: Final = 0.75  # of the keep-alive time, then a ping: the broker's clock is not ours
_PATIENCE: Final = 10.0  # seconds for the answer, or half the keep-alive time where that is less


class Pulse:
    """The keep-alive of one connection; *ping* sends one, *dead* is told for how long nothing has come."""

    def __init__(self, *, ping: Callable[[], None], dead: Callable[[float], None]) -> None:
        self._ping = ping
        self._dead = dead
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._quiet = 0.0
        self._patience = 0.0
        self._sent = self._heard = self._loop.time()
        self._asked: float | None = None

    def start(self, keepalive: float) -> None:
        """Begin; a *keepalive* of 0 means that the broker wants none."""
        self._quiet = keepalive * _EARLY
        self._patience = min(_PATIENCE, keepalive / 2)
        if keepalive:
            self._look()

    def stop(self) -> None:
        """End; called any number of times."""
        if self._timer is not None:
            self._timer.cancel()

    def sent(self) -> None:
        """Note that something was sent."""
        self._sent = self._loop.time()

    def heard(self) -> None:
        """Note that something came: whatever it is, it answers a ping as well."""
        self._heard = self._loop.time()
        self._asked = None

    def _look(self) -> None:
        now = self._loop.time()
        if self._asked is not None and now >= self._asked + self._patience:
            self._dead(now - self._heard)
            return
        due = min(self._sent, self._heard) + self._quiet
        if self._asked is None and now >= due:
            self._ping()
            self._asked = now
        self._timer = self._loop.call_at(
            due if self._asked is None else self._asked + self._patience, self._look
        )
