"""Reads one device: asks its blocks, learns what it refuses, and turns replies into samples.

A block that the device refuses is cut until the point at fault is found, so that one bad point never costs
the others; what was learnt holds for an hour. It never guesses: a point without bytes gets a sample
without a value that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

from msgspec import Struct

from agent.core.clock import Clock
from agent.core.driver import Reading
from agent.core.sample import Quality, Sample
from drivers.modbus.breaker import Breaker
from drivers.modbus.codec import Decoder, bit_at, decoder, words
from drivers.modbus.device import ModbusDevice
from drivers.modbus.plan import TCP, Block, Cost, Limits, Span, blocks, split
from drivers.modbus.point import BIT_TABLES
from drivers.modbus.request import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Answer, Fault, Request

_REFUSALS: Final = frozenset((ILLEGAL_ADDRESS, ILLEGAL_VALUE))
_FORGET: Final = 3600.0
_PATIENCE: Final = 60.0
_BUSY_PAUSE: Final = 0.2


class Outcome(Struct, frozen=True):
    """What became of one block."""

    block: Block
    reply: Answer | Fault


Take = Callable[[Outcome], None]


class Link(Protocol):
    """What a reader needs of a link."""

    async def ask(self, request: Request, timeout: float | None = None) -> Answer | Fault:  # noqa: ASYNC109
        """Read once; raise DriverError when the connection is lost."""
        ...


class Reader:
    """Everything that is known of one device while its link runs."""

    def __init__(
        self, device: ModbusDevice, link: Link, clock: Clock, *, timeout: float, cost: Cost = TCP
    ) -> None:
        self.device = device
        self.breaker = Breaker(timeout)
        self._link, self._clock, self._cost = link, clock, cost
        self._names = {name: f"{device.name}.{name}" for name in device.points}
        self._decoders: dict[str, Decoder] = {name: decoder(one) for name, one in device.points.items()}
        self._spans = [device.span(name, point) for name, point in device.points.items()]
        self._learnt, self._forget_at = False, 0.0
        self._limits = device.limits
        self._refused: list[Block] = []
        self._unsupported: set[Span] = set()
        self._whole_until: dict[Block, float] = {}
        self._plan = self._planned(self._spans)

    async def cycle(self, take: Take, only: Collection[str] | None = None) -> None:
        """Read all points (or *only* the named ones of this device); give each block's outcome as it comes.

        A device that is known to be silent is left alone, unless it is asked for by name.
        """
        now = self._clock.boot()
        if self._learnt and now >= self._forget_at:
            self._forget()
        spans = self._spans if only is None else [span for span in self._spans if span.name in only]
        wanted = [span for span in spans if span not in self._unsupported]
        for span in spans:
            if span in self._unsupported:
                take(Outcome(_alone(span), Fault("illegal_address", now, ILLEGAL_ADDRESS)))
        plan = self._plan if only is None else self._planned(wanted)
        silent = only is None and not self.breaker.allows(now)
        for block in plan:
            if silent:
                take(Outcome(block, Fault("no_reply", self._clock.boot())))
            else:
                silent = not await self._read(block, take)

    def samples(self, outcome: Outcome) -> list[Sample]:
        """Turn what became of a block into one sample per point."""
        return [self._sample(outcome.reply, outcome.block, span)[0] for span in outcome.block.spans]

    def readings(self, outcome: Outcome) -> list[Reading]:
        """Do the same for people, with raw words."""
        pairs = (self._sample(outcome.reply, outcome.block, span) for span in outcome.block.spans)
        return [Reading(sample, words(raw)) for sample, raw in pairs]

    def unread(self, reason: str) -> list[Sample]:
        """Give a sample without a value for each point."""
        now = self._clock.boot()
        return [Sample(name, None, now, Quality.BAD, reason) for name in self._names.values()]

    def _sample(self, reply: Answer | Fault, block: Block, span: Span) -> tuple[Sample, bytes]:
        name = self._names[span.name]
        if isinstance(reply, Fault):
            return Sample(name, None, reply.at, Quality.BAD, reply.why), b""
        at = span.start - block.start
        in_bits = span.table in BIT_TABLES
        raw = bit_at(reply.data, at) if in_bits else reply.data[2 * at : 2 * (at + span.size)]
        value, reason = self._decoders[span.name](raw)
        quality = Quality.BAD if value is None else Quality.GOOD
        return Sample(name, value, reply.at, quality, reason), raw

    async def _read(self, block: Block, take: Take) -> bool:
        """Read one block, cutting it where the device refuses; say whether the device speaks at all."""
        reply = await self._ask(block)
        if not self._may_cut(block, reply):
            take(Outcome(block, reply))
            return not self._is_silent(reply)
        parts: list[Outcome] = []
        speaks = await self._cut(block, parts.append)
        self._learn(block, parts, too_long=isinstance(reply, Fault) and reply.code == ILLEGAL_VALUE)
        for outcome in parts:
            take(outcome)
        return speaks

    async def _cut(self, block: Block, take: Take) -> bool:
        """Read the two halves of a refused block, and their halves."""
        speaks = True
        for part in split(block):
            reply = await self._ask(part) if speaks else Fault("no_reply", self._clock.boot())
            speaks = speaks and not self._is_silent(reply)
            if isinstance(reply, Fault) and reply.code in _REFUSALS and len(part.spans) > 1:
                self._refused.append(part)
                speaks = await self._cut(part, take) and speaks
            else:
                take(Outcome(part, reply))
        return speaks

    def _may_cut(self, block: Block, reply: Answer | Fault) -> bool:
        return (
            isinstance(reply, Fault)
            and reply.code in _REFUSALS
            and len(block.spans) > 1
            and reply.at >= self._whole_until.get(block, 0.0)
        )

    def _learn(self, block: Block, parts: Sequence[Outcome], *, too_long: bool) -> None:
        """Remember what was refused, unless the device refused everything: then it is not the addresses.

        A refused *value* is the number of registers (V1.1b3, §6.3): what it did give becomes the limit.
        """
        if not any(isinstance(part.reply, Answer) for part in parts):
            self._refused = [one for one in self._refused if not block.covers(one)]
            self._whole_until[block] = self._clock.boot() + _PATIENCE
            return
        if not self._learnt:
            self._learnt, self._forget_at = True, self._clock.boot() + _FORGET
        self._refused.append(block)
        if too_long and block.table not in BIT_TABLES:
            given = [part.block.size for part in parts if isinstance(part.reply, Answer)]
            self._limits = Limits(max(*given, *(span.size for span in self._spans)), self._limits.bits)
        for part in parts:
            if len(part.block.spans) == 1 and isinstance(part.reply, Fault) and part.reply.code in _REFUSALS:
                self._unsupported.add(part.block.spans[0])
                self._refused.append(part.block)
        self._plan = self._planned([span for span in self._spans if span not in self._unsupported])

    def _forget(self) -> None:
        """Begin anew: firmware changes, and a busy device refuses what it usually gives."""
        self._learnt = False
        self._limits = self.device.limits
        self._refused.clear()
        self._unsupported.clear()
        self._whole_until.clear()
        self._plan = self._planned(self._spans)

    def _planned(self, spans: Collection[Span]) -> tuple[Block, ...]:
        return blocks(spans, cost=self._cost, limits=self._limits, refused=self._refused)

    async def _ask(self, block: Block) -> Answer | Fault:
        """Ask once; a device that calls itself busy is asked a second time."""
        request = Request(self.device.unit, block.table, block.start, block.size)
        reply = await self._link.ask(request, self.breaker.timeout)
        if isinstance(reply, Fault) and reply.busy:
            await self._clock.sleep(_BUSY_PAUSE)
            reply = await self._link.ask(request, self.breaker.timeout)
        if self._is_silent(reply):
            self.breaker.failed(reply.at)
        else:
            self.breaker.worked()
        return reply

    @staticmethod
    def _is_silent(reply: Answer | Fault) -> bool:
        return isinstance(reply, Fault) and reply.silent


def _alone(span: Span) -> Block:
    return Block(span.table, span.start, span.size, (span,))
