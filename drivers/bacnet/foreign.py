"""The registration at a broadcast manager (BBMD) in another subnet, as a foreign device.

It is renewed at half of its time, asked for again soon when it is not confirmed, and its state is a word
for `citygate status`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from agent.core.clock import Clock
from drivers.bacnet.frames import register
from drivers.bacnet.peer import Peer

WAITING: Final = "waiting"
REGISTERED: Final = "registered"
NO_ANSWER: Final = "no answer"
REFUSED: Final = "refused"
_PATIENCE: Final = 3.0
_AGAIN: Final = 10.0


class Registration:
    """One registration, kept alive."""

    def __init__(self, bbmd: Peer, seconds: int, send: Callable[[bytes, Peer], None], clock: Clock) -> None:
        self.bbmd = bbmd
        self.state = WAITING
        self.renewals = 0
        self._seconds, self._send, self._clock = seconds, send, clock
        self._confirmed = asyncio.Event()

    async def ask(self) -> None:
        """Register once; the state says how that went."""
        self._confirmed.clear()
        self._send(register(self._seconds), self.bbmd)
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._confirmed.wait()
        except TimeoutError:
            self.state = NO_ANSWER

    async def keep(self) -> None:
        """Renew it until cancelled."""
        while True:
            soon = min(_AGAIN, self._seconds / 2)
            await self._clock.sleep(self._seconds / 2 if self.state == REGISTERED else soon)
            await self.ask()
            self.renewals += 1

    def result(self, sender: Peer, code: int) -> None:
        """Take the result that *sender* gave."""
        if sender == self.bbmd:
            self.state = REFUSED if code else REGISTERED
            self._confirmed.set()

    def end(self) -> None:
        """Take ourselves out of its list: a registration of no time."""
        self._send(register(0), self.bbmd)
