"""Finds out who is there: ranges of instances one after the other, so that never all answer at once.

A range from which a crowd answered is halved and asked again, until nobody can have been drowned out. Every
device that said who it is stays known by its address, so two that share an instance are both found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from agent.core.clock import Clock
from drivers.bacnet.peer import EVERYWHERE, HERE, Peer
from drivers.bacnet.stack import Heard, IAm, Route, Stack

HIGHEST: Final = 4_194_302
_BORDERS: Final = (0, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
                   1_000_000, 2_000_000)  # fmt: skip
_CROWD: Final = 40
"""As many may answer one question at once; of more, some may not have been heard."""

ROUTERS: Final = 1.0
"""Seconds for which routers may answer."""


class Attendance:
    """Who answered so far: devices by address, and the networks behind routers."""

    def __init__(self) -> None:
        self.devices: dict[Peer, IAm] = {}
        self.networks: dict[int, Peer] = {}
        self._lately: dict[Peer, int] = {}

    def note(self, heard: Heard) -> None:
        """Take what was heard."""
        match heard:
            case IAm():
                self.devices[heard.peer] = heard
                self._lately[heard.peer] = heard.instance
            case Route():
                self.networks.update((network, heard.router) for network in heard.networks)

    def begin(self) -> None:
        """Count anew who answers."""
        self._lately.clear()

    def answered(self, low: int, high: int) -> list[int]:
        """List the instances from *low* to *high* that have answered since the count began, in order."""
        return sorted(one for one in self._lately.values() if low <= one <= high)

    def doubles(self) -> dict[int, list[Peer]]:
        """Give the instances that several devices claim, with their addresses."""
        by_instance: dict[int, list[Peer]] = {}
        for one in self.devices.values():
            by_instance.setdefault(one.instance, []).append(one.peer)
        return {instance: sorted(peers) for instance, peers in by_instance.items() if len(peers) > 1}


class RollCall:
    """One round of asking everybody; *settle* are the seconds for which a range may answer."""

    def __init__(self, stack: Stack, clock: Clock, attendance: Attendance, settle: float) -> None:
        self._stack, self._clock, self._found = stack, clock, attendance
        self._settle = settle

    async def everybody(self, low: int, high: int, progress: Callable[[int, int], None]) -> None:
        """Ask all networks for the instances from *low* to *high*; raise SilentError if nobody can be asked.

        *progress* is told how many ranges are done, and of how many.
        """
        await self._stack.who_is_router()
        await self._clock.sleep(ROUTERS)
        parts = list(ranges(low, high))
        for done, part in enumerate(parts):
            progress(done, len(parts))
            await self._range(*part)
        progress(len(parts), len(parts))

    async def single(self, peers: Sequence[Peer], progress: Callable[[int, int], None]) -> None:
        """Ask each of *peers* alone; who lives there says so."""
        for done, peer in enumerate(peers):
            progress(done, len(peers))
            await self._stack.who_is(at=peer)
        await self._clock.sleep(self._settle)
        progress(len(peers), len(peers))

    async def _range(self, low: int, high: int) -> None:
        self._found.begin()
        await self._stack.who_is(low, high, at=Peer(EVERYWHERE if self._found.networks else HERE, b""))
        await self._clock.sleep(self._settle)
        there = self._found.answered(low, high)
        if len(there) > _CROWD and low < high:
            middle = min(max(there[len(there) // 2], low + 1), high)
            await self._range(low, middle - 1)
            await self._range(middle, high)


def ranges(low: int, high: int) -> Iterator[tuple[int, int]]:
    """Cut the instances from *low* to *high* where people usually begin to count anew."""
    borders = [low, *(one for one in _BORDERS if low < one <= high), high + 1]
    return ((begin, end - 1) for begin, end in pairwise(borders))
