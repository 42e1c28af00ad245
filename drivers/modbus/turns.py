"""Whose turn it is on a link where only one can speak.

Those who read often come first, so that an overloaded line sheds its slowest polls first. Nobody waits for
ever: a waiter counts as if it had come ten of its own periods earlier or later than the others.
"""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from typing import Final

_PERIODS: Final = 10.0


class Turns:
    """A lock that is handed to the most urgent of those who wait."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    async def take(self, every: float) -> None:
        """Wait for the turn; *every* is the period of what is to be read, 0 for what a person waits for."""
        if not self._taken:
            self._taken = True
            return
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._number += 1
        heappush(self._waiting, (loop.time() + _PERIODS * every, self._number, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()
            raise

    def give(self) -> None:
        """Hand the turn on."""
        while self._waiting:
            turn = heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False
