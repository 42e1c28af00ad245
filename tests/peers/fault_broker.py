"""A broker that does to each message what a plan says: one fault of the field at a time, or all by chance.

It keeps what it stored, whatever it answered: a broker may store and fail to say so, and never the reverse.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final

from tests.peers.fake_broker import FakeBroker, Publish, puback


class Fault(StrEnum):
    """What may happen to a message and its answer."""

    NONE = "none"
    WITHHELD = "withheld"  # stored, never answered
    SWALLOWED = "swallowed"  # neither
    LATE = "late"
    SHUFFLED = "shuffled"  # answered out of order
    REFUSED = "refused"
    BUSY = "busy"  # a quota is exceeded
    UNHEARD = "unheard"  # nobody has subscribed
    HALF = "half"  # stored; half of the answer, then a reset
    RESET = "reset"  # neither stored nor answered: a reset
    LEAVING = "leaving"  # DISCONNECT: the server shuts down
    FROZEN = "frozen"  # the connection stays, and nothing is answered on it any more
    GARBAGE = "garbage"  # bytes that are no MQTT


_REASONS: Final = {Fault.REFUSED: 0x87, Fault.BUSY: 0x97, Fault.UNHEARD: 0x10}
_HAND: Final = 3  # answers that are shuffled together

Plan = Callable[[Publish], Fault]


class FaultBroker(FakeBroker):
    """A fake broker with a plan of faults instead of a script."""

    def __init__(self, plan: Plan, *, seed: int = 0, receive_maximum: int = 0) -> None:
        super().__init__(receive_maximum=receive_maximum)
        self.plan = plan
        self.done: dict[Fault, int] = {}
        self._dice = random.Random(seed)
        self._hands: dict[asyncio.StreamWriter, list[bytes]] = {}
        self._frozen: set[asyncio.StreamWriter] = set()

    def _reply(self, message: Publish, mid: bytes, writer: asyncio.StreamWriter) -> None:
        if writer in self._frozen or writer.is_closing():
            return
        fault = self.plan(message)
        self.done[fault] = self.done.get(fault, 0) + 1
        match fault:
            case Fault.NONE | Fault.LATE | Fault.SHUFFLED | Fault.WITHHELD | Fault.HALF:
                self.accepted.append(message)
                self._say(fault, puback(mid, 0), writer)
            case Fault.REFUSED | Fault.BUSY | Fault.UNHEARD:
                self._say(Fault.NONE, puback(mid, _REASONS[fault]), writer)
            case Fault.RESET:
                writer.transport.abort()
            case Fault.LEAVING:
                writer.write(b"\xe0\x01\x8b")
                writer.close()
            case Fault.GARBAGE:
                writer.write(self._dice.randbytes(8) + b"\xff" * 8)
            case Fault.FROZEN:
                self._frozen.add(writer)

    def _say(self, fault: Fault, answer: bytes, writer: asyncio.StreamWriter) -> None:
        """Send one answer, in the way that the fault leaves open."""
        if fault is Fault.NONE:
            self._answered(answer, writer)
        elif fault is Fault.LATE:
            wait = self._dice.uniform(0.1, 10.0)
            asyncio.get_running_loop().call_later(wait, self._answered, answer, writer)
        elif fault is Fault.SHUFFLED:
            hand = self._hands.setdefault(writer, [])
            hand.append(answer)
            if len(hand) == 1:
                asyncio.get_running_loop().call_later(1.0, self._deal, writer)
            elif len(hand) == _HAND:
                self._deal(writer)
        elif fault is Fault.HALF:
            writer.write(answer[:2])
            writer.close()

    def _deal(self, writer: asyncio.StreamWriter) -> None:
        hand = self._hands.pop(writer, [])
        self._dice.shuffle(hand)
        for answer in hand:
            self._answered(answer, writer)

    def _answered(self, answer: bytes, writer: asyncio.StreamWriter) -> None:
        if not writer.is_closing() and writer not in self._frozen:
            self.waiting -= 1
            writer.write(answer)


@asynccontextmanager
async def fault_broker(plan: Plan, *, seed: int = 0, receive_maximum: int = 0) -> AsyncIterator[FaultBroker]:
    """Run one for the length of an ``async with`` block."""
    made = FaultBroker(plan, seed=seed, receive_maximum=receive_maximum)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
