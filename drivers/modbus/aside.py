"""What is asked of a device beside its plan: who it is, whether it speaks at all, whether it still refuses.

Bounded: a serial number when the device may have been replaced, one refusal a minute at most.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from math import inf
from typing import Final, Protocol

from agent.core.sample import Emit, Quality, Sample
from drivers.modbus.cutting import is_silent
from drivers.modbus.device import ModbusDevice
from drivers.modbus.learnt import Learnt, Outcome
from drivers.modbus.papers import Papers, firmware_of
from drivers.modbus.plan import Block, atoms, is_divisible
from drivers.modbus.request import Answer, Fault

UNPROVEN: Final = "unproven"
"""Why a counter has no value while it is not known whether its meter is still the same one."""

_NAMING: Final = 1.0


class Names(Protocol):
    """Something that can be asked for a device's identification."""

    async def identify(self, unit: int, timeout: float) -> Answer | Fault:  # noqa: ASYNC109
        """Ask for it."""
        ...


class Aside:
    """What is asked beside the plan of one device; *counters* are the full names of its counters.

    ``heard`` is the boot second of its latest answer of any kind, ``gave`` that of its latest values.
    """

    def __init__(
        self,
        device: ModbusDevice,
        link: Names,
        learnt: Learnt,
        counters: Collection[str],
        ask: Callable[[Block], Awaitable[Answer | Fault]],
    ) -> None:
        self.heard = self.gave = -inf
        self._device, self._link, self._learnt, self._ask = device, link, learnt, ask
        self._counters = frozenset(counters)
        self._papers = Papers(device.name, device.serial, sorted(self._counters))
        self._alone: list[Block] = []

    @property
    def unproven(self) -> bool:
        """Whether its counters must not be believed."""
        return self._papers.unproven

    def asks_before(self, now: float) -> bool:
        """Say whether a poll at *now* of a device that speaks needs a question before it."""
        return self._papers.due(now, self.heard)

    def asks_after(self, now: float) -> bool:
        """Say whether there is anything to learn or to ask when a poll has ended at *now*."""
        learnt = self._learnt
        return bool(
            now >= learnt.next_question
            or self._alone
            or self._papers.unproven
            or (learnt.who is None and learnt.has_holes)
        )

    def unbelieved(self, samples: list[Sample]) -> list[Sample]:
        """Give *samples* with counters that have no value."""
        return [
            Sample(one.point, None, one.at, Quality.BAD, UNPROVEN)
            if one.value is not None and one.point in self._counters
            else one
            for one in samples
        ]

    async def before(self, now: float, first: Block | None, tell: Emit, *, away: bool) -> bool:
        """Ask what has to be known before a poll; say whether the device spoke.

        *first* is the first block of a poll of which it is doubtful that it will be answered; *away*: it
        counted as silent, or is asked for the first time.
        """
        speaks = True
        if self._papers.due(now, self.heard):
            speaks = await self._see_papers(now, tell)
        elif first is not None and is_divisible(first):
            speaks = await self.knock(first)
        if speaks and away and self._learnt.has_holes:
            self._learnt.suspect(now)
            await self._recognise()
        return speaks

    async def after(self, now: float, begun: float, tell: Emit) -> Outcome | None:
        """Learn from a poll since *begun* in which the device spoke to the end; ask about one refusal.

        Give what became of it, if that is a value.
        """
        if self._papers.waits:
            await self._see_papers(now, tell)
        if self._papers.unproven:
            self._papers.spoke(now)
        if self._alone and self.gave >= begun:
            self._learnt.refused_alone(self._alone, now)
        self._alone = []
        if self._learnt.has_holes and self._learnt.who is None:
            await self._recognise()
        if (block := self._learnt.question(now)) is None:
            return None
        reply = await self._ask(block)
        self._learnt.answered(block, reply)
        return Outcome(block, reply) if block.spans and isinstance(reply, Answer) else None

    def refused(self, block: Block) -> None:
        """Note that a single value was refused; what of it, the end of the poll will tell."""
        self._alone.append(block)

    async def knock(self, block: Block) -> bool:
        """Ask for the least that *block* holds; say whether the device speaks."""
        least = min(atoms(block.spans), key=lambda one: one.size)
        return not is_silent(await self._ask(least))

    async def _see_papers(self, now: float, tell: Emit) -> bool:
        marks, speaks = await self._papers.show(self._ask, now)
        if marks:
            if marks[0].new:
                self._learnt.forget()
            tell(marks)
        return speaks

    async def _recognise(self) -> None:
        """Ask for the firmware; what was learnt of another one is forgotten."""
        if self._learnt.who == "":
            return
        place = self._device.firmware
        if place is not None:
            reply = await self._ask(place.block)
        else:
            reply = await self._link.identify(self._device.unit, _NAMING)
        who = firmware_of(self._device.name, reply)
        if who is None and self._learnt.who is None:
            who = ""  # it has just answered others: some devices are silent on what they do not know
        if who is not None:
            self._learnt.recognise(who)
