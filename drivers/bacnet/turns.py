"""Who may speak when: two requests to a station at a time, one to a network behind a router, and a rate.

A station that stays silent ends the wait of all who stand in line for it: however many they are, it costs
its own time-out and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from agent.core.clock import Clock
from drivers.bacnet.peer import HERE, Peer
from drivers.bacnet.stack import SilentError

_PER_STATION: Final = 2
_PER_NETWORK: Final = 1
_BURST: Final = 10


class Bucket:
    """Lets *rate* through a second on the average, and *burst* at once; 0: everything."""

    def __init__(self, clock: Clock, rate: float, burst: int = _BURST) -> None:
        self._clock, self._pause = clock, 1 / rate if rate else 0.0
        self._slack = self._pause * (burst - 1)
        self._full_at = -1e9

    def may(self) -> bool:
        """Take a place if there is one."""
        now = self._clock.boot()
        begin = max(self._full_at, now)
        if begin - self._slack > now:
            return False
        self._full_at = begin + self._pause
        return True

    async def take(self) -> None:
        """Take the next place and wait for it."""
        now = self._clock.boot()
        begin = max(self._full_at, now)
        self._full_at = begin + self._pause
        if (wait := begin - self._slack - now) > 0:
            await self._clock.sleep(wait)


class Turns:
    """The lines in front of stations and networks."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock, self._rate = clock, rate
        self._lines: dict[Peer | int, asyncio.Semaphore] = {}
        self._buckets: dict[int, Bucket] = {}
        self._silences: dict[Peer, int] = {}

    @asynccontextmanager
    async def turn(self, peer: Peer) -> AsyncIterator[None]:
        """Hold a turn to ask *peer*; raise SilentError if it fell silent while others before us asked it."""
        seen = self._silences.get(peer, 0)
        async with self._line(peer):
            if self._silences.get(peer, 0) != seen:
                raise SilentError(f"{peer} does not answer")
            await self._bucket(peer.network).take()
            try:
                yield
            except SilentError:
                self._silences[peer] = seen + 1
                raise

    def _line(self, peer: Peer) -> asyncio.Semaphore:
        key, places = (peer, _PER_STATION) if peer.network == HERE else (peer.network, _PER_NETWORK)
        if key not in self._lines:
            self._lines[key] = asyncio.Semaphore(places)
        return self._lines[key]

    def _bucket(self, network: int) -> Bucket:
        if network not in self._buckets:
            self._buckets[network] = Bucket(self._clock, self._rate)
        return self._buckets[network]
