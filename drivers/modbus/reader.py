"""Reads one device: asks its blocks, cuts what it refuses, and turns replies into samples.

A block that the device refuses is cut until the point at fault is found, so that one bad point never costs
the others; so is one on which it stays silent although it answers shorter ones. It never guesses: a point
without bytes gets a sample without a value that says why.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from agent.core.breaker import Breaker
from agent.core.clock import Clock
from agent.core.driver import Reading
from agent.core.notes import Notes
from agent.core.point import Kind
from agent.core.sample import Emit, Quality, Sample
from drivers.modbus.aside import Aside
from drivers.modbus.codec import Decoder, bit_at, shared_decoder, words
from drivers.modbus.cost import CostModel
from drivers.modbus.cutting import Cutter, is_silent
from drivers.modbus.device import ModbusDevice
from drivers.modbus.ghosts import longer
from drivers.modbus.learnt import Learnt, Outcome, is_refusal
from drivers.modbus.lore import Lore
from drivers.modbus.plan import TCP, Block, Cost, Span, blocks, is_divisible, price
from drivers.modbus.point import BIT_TABLES
from drivers.modbus.request import ILLEGAL_ADDRESS, Answer, Fault, Request

__all__ = ("Outcome", "Reader", "Take")

_BUSY_PAUSE: Final = 0.2
_SILENCES: Final = 3
_FIRST: Final = 0.9  # seconds between two probes of a silent device, at least: no beat of a second is missed
_PART: Final = 0.05  # of its silence: so late is it found again, where probes cost little
_THINK: Final = 30.0  # seconds between two thoughts about the plan
_MOST_CUTS: Final = 64
_AMPLE: Final = 1.2  # what is allowed for a request beyond its usual time
_WORTH: Final = 0.98  # a plan made anew must cost less than this part of the old one


Take = Callable[[Outcome], None]
_Cuts = tuple[list[str], list[Decoder]]


class _Planned(Struct):
    """A block of a plan, the request that reads it, and how often its most wanted point is read.

    ``read_at`` is the boot second of its latest reading; ``silences`` counts those in a row, and when there
    are ``cut_at`` of them, a device that speaks otherwise is asked for less.
    """

    block: Block
    request: Request
    period: float
    read_at: float = -math.inf
    given: bool = False
    silences: int = 0
    cut_at: int = 3


class Link(Protocol):
    """What a reader needs of a link."""

    async def ask(self, request: Request, timeout: float | None = None, every: float = 0.0) -> Answer | Fault:  # noqa: ASYNC109
        """Read once; raise DriverError when the connection is lost."""
        ...

    async def identify(self, unit: int, timeout: float) -> Answer | Fault:  # noqa: ASYNC109
        """Ask for the device identification."""
        ...


class Reader:
    """Everything that is known of one device while its link runs."""

    def __init__(  # noqa: PLR0913 - each of the last has an answer of its own for who does not care
        self,
        device: ModbusDevice,
        link: Link,
        clock: Clock,
        *,
        timeout: float,
        cost: Cost = TCP,
        lore: Lore | None = None,
        spans: Sequence[Span] | None = None,
        alone: bool = False,
    ) -> None:
        """*spans* are where the device's points lie, if that is known of another one of its type.

        *alone*: no other device is on the link.
        """
        self.device = device
        self.breaker = Breaker(timeout, first=_FIRST, part=_PART, alone=alone)
        self.periods = device.periods
        self._link, self._clock = link, clock
        self._cost, self._model = cost, CostModel(cost)
        self._spans = device.spans() if spans is None else spans
        known = {period: period for period in self.periods[1:]}  # one number for all points that have it
        periods = ((name, device.period(point)) for name, point in device.points.items())
        self._seldom = {name: known[period] for name, period in periods if period in known}
        self._manners = device.manners
        self._learnt = Learnt(device, self._spans, lore or Lore(Notes(), clock))
        points = device.points.items()
        counters = [device.full_name(name) for name, one in points if one.kind is Kind.COUNTER]
        self._aside = Aside(device, link, self._learnt, counters, self._ask_for)
        self._waited, self._spoke = 0.0, False
        self._plans: dict[frozenset[float], list[_Planned]] = {}
        self._ideal: tuple[Cost, tuple[Block, ...]] = (cost, ())
        self._everything = frozenset(self.periods)
        self._cut_of: dict[int, tuple[Block, _Cuts]] = {}
        self._think_at = clock.boot() + _THINK

    async def cycle(
        self,
        take: Take,
        only: Collection[str] | None = None,
        *,
        due: Mapping[float, float] | None = None,
        until: float = 0.0,
        tell: Emit | None = None,
    ) -> frozenset[float]:
        """Read all points (or *only* the named ones of this device); give each block's outcome as it comes.

        *due* names the periods whose points are wanted, and since which boot second. What would not be done
        by *until* (0: never mind) is put off, if it is read more rarely than the first; its periods are given
        back. A device that is known to be silent is left alone, unless it is asked for by name. *tell* hears
        which meter its counters are of; a person's wish does not ask.
        """
        now, self._waited = self._clock.boot(), 0.0
        if self._learnt.changed():
            self._plans.clear()
        wanted = self._everything if due is None else frozenset(due)
        spans = self._of(wanted) if only is None else [span for span in self._spans if span.name in only]
        for span in self._learnt.unsupported and self._learnt.unsupported.intersection(spans):
            take(Outcome(_alone(span), Fault("illegal_address", now, ILLEGAL_ADDRESS)))
        plan = self._plan(wanted) if only is None else self._wish(spans)
        most = 0 if only is None and not self.breaker.allows(now) else self._patience()
        left = await self._prepared(most, plan, tell) if tell and most and self._is_curious(now) else most
        put_off: set[float] = set()
        fastest = min(wanted)
        for one in plan:
            if one.period > fastest and due is not None:
                if one.read_at >= due[one.period]:
                    continue
                if until and self._clock.boot() + self._seconds(one) >= until:
                    put_off |= {self._period(span) for span in one.block.spans}
                    continue
            one.read_at = self._clock.boot()
            if not left:
                take(Outcome(one.block, Fault("no_reply", one.read_at)))
            else:
                left = most if await self._read(one, take) else left - 1
        if left < most:
            self.breaker.failed(self._clock.boot(), self._waited)
        elif left and tell and self._aside.asks_after(now):
            await self._conclude(now, take, tell)
        self._think_again()
        return frozenset(put_off)

    def samples(self, outcome: Outcome) -> list[Sample]:
        """Turn what became of a block into one sample per point."""
        found = self._samples(outcome)
        return self._aside.unbelieved(found) if self._aside.unproven else found

    def _samples(self, outcome: Outcome) -> list[Sample]:
        reply, good = outcome.reply, Quality.GOOD
        if isinstance(reply, Fault):
            silent = map(self._name, outcome.block.spans)
            return [Sample(name, None, reply.at, Quality.BAD, reply.why) for name in silent]
        (names, decoders), raws, at = self._cuts(outcome.block), _raws(outcome.block, reply.data), reply.at
        found = []
        for name, raw, decode in zip(names, raws, decoders, strict=True):
            value, reason = decode(raw)
            found.append(Sample(name, value, at, Quality.BAD if value is None else good, reason))
        return found

    def readings(self, outcome: Outcome) -> list[Reading]:
        """Do the same for people, with raw words."""
        if isinstance(outcome.reply, Fault):
            return [Reading(sample) for sample in self._samples(outcome)]
        pairs = zip(self._samples(outcome), _raws(outcome.block, outcome.reply.data), strict=True)
        return [Reading(sample, words(one)) for sample, one in pairs]

    def unread(self, reason: str) -> list[Sample]:
        """Give a sample without a value for each point."""
        now = self._clock.boot()
        return [Sample(name, None, now, Quality.BAD, reason) for name in map(self._name, self._spans)]

    @property
    def lacking(self) -> list[str]:
        """The full names of the points that the device does not give."""
        return sorted(map(self._name, self._learnt.unsupported))

    @property
    def stretches(self) -> int:
        """How many stretches no request to it may cover."""
        return len(self._learnt.shape.stretches.known)

    def price(self) -> tuple[float, float]:
        """Give the milliseconds of a cycle of all points as it is read, and as it could be at best.

        At best: planned for what the plan is made for, and if the device gave every register.
        """
        if not self._ideal[1] or self._ideal[0] is not self._cost:
            self._ideal = self._cost, blocks(self._spans, cost=self._cost, limits=self.device.limits)
        own = (one.block for one in self._plan(self._everything))
        return price(own, self._model.cost), price(self._ideal[1], self._model.cost)

    def _cuts(self, block: Block) -> _Cuts:
        """Give the names of a block's points, and how the bytes of each are decoded."""
        known = self._cut_of.get(id(block))
        if known is not None and known[0] is block:
            return known[1]
        points = self.device.points
        cuts = [*map(self._name, block.spans)], [shared_decoder(points[span.name]) for span in block.spans]
        if len(self._cut_of) >= _MOST_CUTS:
            self._cut_of.clear()  # wishes make blocks of their own
        self._cut_of[id(block)] = block, cuts
        return cuts

    def _name(self, span: Span) -> str:
        return self.device.full_name(span.name)

    def _period(self, span: Span) -> float:
        return self._seldom.get(span.name, self.periods[0])

    def _seconds(self, planned: _Planned) -> float:
        return _AMPLE * self._model.cost.of(planned.block.table, planned.block.size) / 1000

    def _patience(self) -> int:
        """Say how many silences in a row end a poll: a late reply keeps the next one waiting too."""
        if not self._spoke or self.breaker.open:
            return 1
        return _SILENCES - 1 if self.breaker.doubts else _SILENCES

    def _of(self, periods: Collection[float]) -> Sequence[Span]:
        if len(periods) == len(self.periods):
            return self._spans
        return [span for span in self._spans if self._period(span) in periods]

    def _plan(self, periods: frozenset[float]) -> list[_Planned]:
        """Plan the points of *periods*; what is read most often comes first."""
        if periods not in self._plans:
            plan = [self._planned(one) for one in self._learnt.plan(self._of(periods), self._cost)]
            self._plans[periods] = sorted(plan, key=lambda one: one.period)
        return self._plans[periods]

    def _wish(self, spans: Collection[Span]) -> list[_Planned]:
        return [self._planned(one, 0.0) for one in self._learnt.plan(spans, self._cost)]

    def _planned(self, block: Block, period: float | None = None) -> _Planned:
        bare = Request(self.device.unit, block.table, block.start, block.size, (), self._manners)
        counts = longer(bare, self._learnt.ends(block, self._spans), self._learnt.most(block))
        request = replace(bare, longer=counts) if counts else bare
        fastest = min(map(self._period, block.spans)) if period is None else period
        return _Planned(block, request, fastest)

    def _think_again(self) -> None:
        """Plan anew when requests cost something else than was thought, and it saves time."""
        if (now := self._clock.boot()) < self._think_at:
            return
        self._think_at = now + _THINK
        if not self._model.has_drifted_from(self._cost):
            return
        before = [one.block for one in self._plan(self._everything)]
        self._cost = self._model.cost
        after = self._learnt.plan(self._spans, self._cost)
        if price(after, self._cost) < _WORTH * price(before, self._cost):
            self._plans.clear()

    def _is_curious(self, now: float) -> bool:
        return self.breaker.open or not self._spoke or self._aside.asks_before(now)

    async def _prepared(self, most: int, plan: Sequence[_Planned], tell: Emit) -> int:
        """Ask what has to be known before a poll; give the silences that are left for it."""
        silent = self.breaker.open
        doubtful = plan[0].block if plan and silent else None
        speaks = await self._aside.before(self._clock.boot(), doubtful, tell, away=silent or not self._spoke)
        return most if speaks else most - 1

    async def _conclude(self, begun: float, take: Take, tell: Emit) -> None:
        """End a poll in which the device spoke to the end."""
        if more := await self._aside.after(self._clock.boot(), begun, tell):
            take(more)

    async def _read(self, planned: _Planned, take: Take) -> bool:
        """Read one block, cutting it where the device refuses; say whether the device speaks at all.

        What is asked for the first time is asked by one device of a type after the other: they learn from it.
        """
        if planned.given:
            reply = await self._ask(planned)
            if isinstance(reply, Answer):
                planned.silences = 0
                take(Outcome(planned.block, reply))
                return True
        async with self._learnt.shape.turn:
            if not (behind := self._learnt.catch_up()):
                reply = reply if planned.given else await self._ask(planned)
                found = await self._made_of(planned, reply)
        if behind:
            speaks = True
            for one in self._learnt.plan(planned.block.spans, self._cost):
                speaks = await self._read(self._planned(one, planned.period), take) and speaks
            return speaks
        for outcome in found:
            take(outcome)
        return not all(is_silent(outcome.reply) for outcome in found)

    async def _made_of(self, planned: _Planned, reply: Answer | Fault) -> Sequence[Outcome]:
        """Give what becomes of a block with such a *reply*: itself, or parts of it."""
        block = planned.block
        if isinstance(reply, Answer):
            planned.given, planned.silences = True, 0
            self._learnt.gave(block)
        elif self._learnt.may_cut(block, reply) or await self._is_too_much(planned, reply):

            def ask(part: Block) -> Awaitable[Answer | Fault]:
                return self._ask_for(part, planned.period)

            cut = await Cutter(ask, self._learnt, self._clock, by_silence=reply.silent).cut(block, reply)
            self._learnt.learn(cut)
            return cut.parts
        elif is_refusal(reply) and not is_divisible(block):
            self._aside.refused(block)
        return (Outcome(block, reply),)

    async def _is_too_much(self, planned: _Planned, reply: Fault) -> bool:
        """Say whether a device that speaks stays silent on this block time after time."""
        if not reply.silent or not is_divisible(planned.block):
            return False
        planned.silences += 1
        if planned.silences < planned.cut_at:
            return False
        planned.silences, planned.cut_at = 0, 2 * planned.cut_at
        return self._aside.heard > planned.read_at or await self._aside.knock(planned.block)

    async def _ask_for(self, block: Block, every: float = 0.0) -> Answer | Fault:
        return await self._ask(self._planned(block, every))

    async def _ask(self, planned: _Planned) -> Answer | Fault:
        """Ask once; a device that calls itself busy is asked a second time."""
        request, every = planned.request, planned.period
        reply = await self._link.ask(request, self.breaker.timeout, every)
        if isinstance(reply, Fault) and reply.busy:
            await self._clock.sleep(_BUSY_PAUSE)
            reply = await self._link.ask(request, self.breaker.timeout, every)
        if isinstance(reply, Answer):
            self._aside.gave = reply.at
        if isinstance(reply, Answer) and reply.seconds:
            size = request.count / 16 if request.table in BIT_TABLES else request.count
            self._model.add(size, 1000 * reply.seconds)
        if isinstance(reply, Fault) and reply.silent:
            self._waited += reply.seconds
        else:
            self._spoke, self._aside.heard = True, reply.at
            self.breaker.worked()
        return reply


def _raws(block: Block, data: bytes) -> list[bytes]:
    """Give the bytes of each point of *block*."""
    first = block.start
    if block.table in BIT_TABLES:
        return [bit_at(data, span.start - first) for span in block.spans]
    return [data[(at := 2 * (span.start - first)) : at + 2 * span.size] for span in block.spans]


def _alone(span: Span) -> Block:
    return Block(span.table, span.start, span.size, (span,))
