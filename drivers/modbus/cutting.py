"""Cuts a block that a device does not give as a whole, until the parts that it does give are found.

A refusal is an answer; silence is one only where the device speaks otherwise, and every silent part is paid
for with a wait: a cut by silence stops after a few of them, and goes on another time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from agent.core.clock import Clock
from drivers.modbus.learnt import Cut, Learnt, Outcome, is_refusal
from drivers.modbus.plan import Block, is_divisible, split
from drivers.modbus.request import ILLEGAL_VALUE, Answer, Fault

Ask = Callable[[Block], Awaitable[Answer | Fault]]
_SILENCES: Final = 9  # what it costs to halve 125 registers down to one, and to ask for that one twice


class Cutter:
    """Asks for the parts of one block."""

    def __init__(self, ask: Ask, learnt: Learnt, clock: Clock, *, by_silence: bool) -> None:
        self._ask, self._learnt, self._clock = ask, learnt, clock
        self._by_silence = by_silence
        self._left = _SILENCES if by_silence else 1

    async def cut(self, block: Block, reply: Fault) -> Cut:
        """Find what may be had of *block*, which was answered with *reply*."""
        cut = Cut(block, self._by_silence or reply.code == ILLEGAL_VALUE, [], [block])
        await self._halve(block, cut)
        cut.bad += [part.block for part in cut.parts if self._is_bad(part.reply)]
        cut.ended = bool(self._left)
        cut.speaks = any(not is_silent(part.reply) for part in cut.parts) and cut.ended
        return cut

    async def _halve(self, block: Block, cut: Cut) -> None:
        for part in split(block):
            reply = await self._tried(part)
            silent = is_silent(reply) and self._by_silence and is_divisible(part)
            if self._learnt.may_cut(part, reply) or (silent and self._left):
                cut.bad.append(part)
                await self._halve(part, cut)
            else:
                cut.parts.append(Outcome(part, reply))

    async def _tried(self, part: Block) -> Answer | Fault:
        """Ask for *part*; by silence a single value is asked for twice, since a reply may get lost."""
        reply: Answer | Fault = Fault("no_reply", self._clock.boot())
        for _ in range(2 if self._by_silence and not is_divisible(part) else 1):
            if not self._left or not is_silent(reply := await self._ask(part)):
                break
            self._left -= 1
        return reply

    def _is_bad(self, reply: Answer | Fault) -> bool:
        return is_refusal(reply) or (self._by_silence and is_silent(reply) and bool(reply.seconds))


def is_silent(reply: Answer | Fault) -> bool:
    """Say whether the device itself said nothing."""
    return isinstance(reply, Fault) and reply.silent
