"""The life of a Modbus link: each device at its own beat, wishes in between.

One request is on the line at a time. A poll that takes longer than its period skips the beats it missed and
counts them; it never overlaps with itself. When the connection is lost, every point gets a sample that says
so, and DriverError leaves: starting again is the supervisor's affair.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from agent.core.clock import Clock
from agent.core.driver import Ask, Desk, Reading
from agent.core.errors import DriverError
from agent.core.sample import Emit, Quality, Sample
from agent.core.ticks import ticks
from drivers.modbus.figures import Figures
from drivers.modbus.reader import Outcome, Reader

NO_CONNECTION = "no_connection"


class Watched(Protocol):
    """What a poller needs of a link, beside what its readers need."""

    @property
    def figures(self) -> Figures:
        """What the link counts."""
        ...

    async def watch(self) -> None:
        """Raise DriverError when the other end is found to be out of reach."""
        ...


class Poller:
    """Polls the devices of one link."""

    def __init__(
        self, link: Watched, readers: Sequence[Reader], emit: Emit, *, clock: Clock, desk: Desk
    ) -> None:
        self._link, self._figures = link, link.figures
        self._readers = {reader.device.name: reader for reader in readers}
        self._emit, self._clock, self._desk = emit, clock, desk

    async def run(self) -> None:
        """Poll until cancelled; raise DriverError when the connection is lost."""
        try:
            async with asyncio.TaskGroup() as beats:
                beats.create_task(self._link.watch())
                beats.create_task(self._serve_wishes())
                for reader in self._readers.values():
                    beats.create_task(self._beat(reader))
        except ExceptionGroup as group:
            lost, others = group.split(DriverError)
            if lost is None or others is not None:
                raise
            self._report_loss()
            await self._turn_wishes_away()
            raise _first(lost) from None

    async def _beat(self, reader: Reader) -> None:
        every = float(reader.device.every)
        async for due in ticks(self._clock, every):
            await reader.cycle(lambda outcome: self._emit(reader.samples(outcome)))
            self._figures.silent([name for name, one in self._readers.items() if one.breaker.open])
            if missed := int((self._clock.boot() - due) // every):
                self._figures.overran(missed)

    async def _serve_wishes(self) -> None:
        while True:
            ask = await self._desk.next_wish()
            try:
                readings = await read(list(self._readers.values()), ask.points, self._clock)
            except DriverError:
                self._decline(ask)
                raise
            if not ask.answer.done():
                ask.answer.set_result(readings)

    def _report_loss(self) -> None:
        for reader in self._readers.values():
            self._emit(reader.unread(NO_CONNECTION))

    async def _turn_wishes_away(self) -> None:
        """Answer those who wait already; who comes later waits for the next start."""
        try:
            async with asyncio.timeout(0):
                while True:
                    self._decline(await self._desk.next_wish())
        except TimeoutError:
            return

    def _decline(self, ask: Ask) -> None:
        known = (sample for reader in self._readers.values() for sample in reader.unread(NO_CONNECTION))
        readings = [Reading(sample) for sample in known if not ask.points or sample.point in ask.points]
        if not ask.answer.done():
            ask.answer.set_result(readings)


async def read(readers: Sequence[Reader], points: Sequence[str], clock: Clock) -> list[Reading]:
    """Read *points* by their full names (empty: all) once, in the order asked; raise DriverError."""
    found: dict[str, Reading] = {}
    for reader in readers:
        prefix = f"{reader.device.name}."
        mine = [name for name in reader.device.points if not points or prefix + name in points]

        def take(outcome: Outcome, reader: Reader = reader) -> None:
            found.update((one.sample.point, one) for one in reader.readings(outcome))

        if mine:
            await reader.cycle(take, mine)
    order = points or [f"{one.device.name}.{name}" for one in readers for name in one.device.points]
    return [found.get(name) or _unknown(name, clock) for name in order]


def _unknown(name: str, clock: Clock) -> Reading:
    return Reading(Sample(name, None, clock.boot(), Quality.BAD, "unknown_point"))


def _first(group: BaseExceptionGroup[DriverError]) -> DriverError:
    """Give the first single error of a tree of groups."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
