"""The life of a BACnet link: each device at its own beat, wishes in between.

Devices are read side by side; the turns of the stack keep the network from being flooded. A poll that takes
longer than its period skips the beats it missed and counts them; it never overlaps with itself. When the
interface is lost, every point gets a sample that says so, and DriverError leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from agent.core.clock import Clock
from agent.core.driver import Ask, Desk, Reading
from agent.core.errors import DriverError
from agent.core.sample import Emit, Quality, Sample
from agent.core.ticks import ticks
from drivers.bacnet.changes import Change
from drivers.bacnet.client import Client
from drivers.bacnet.figures import Figures
from drivers.bacnet.probe import serve
from drivers.bacnet.reader import Outcome, Reader
from drivers.bacnet.value import ObjectId

NO_CONNECTION: Final = "no_connection"
_GOLDEN: Final = 0.618034  # spreads any number of devices evenly over a beat
_SPREAD: Final = 5.0


class Poller:
    """Polls the devices of one link."""

    def __init__(
        self, client: Client, readers: Sequence[Reader], *, emit: Emit, clock: Clock, desk: Desk
    ) -> None:
        self._client, self._readers = client, readers
        self._emit, self._clock, self._desk = emit, clock, desk
        self._figures = Figures(desk.figures)

    async def run(self) -> None:
        """Poll until cancelled; raise DriverError when the interface is lost."""
        self._figures.link(self._client, self._readers)
        try:
            async with asyncio.TaskGroup() as beats:
                beats.create_task(self._client.watch())
                beats.create_task(self._serve_wishes())
                beats.create_task(serve(self._client, self._desk, self._clock))
                for number, reader in enumerate(self._readers):
                    beats.create_task(self._beat(reader, number * _GOLDEN % 1))
                    if reader.changes is not None:
                        beats.create_task(reader.changes.run(partial(self._changed, reader)))
        except ExceptionGroup as group:
            lost, others = group.split(DriverError)
            if lost is None or others is not None:
                raise
            for reader in self._readers:
                self._emit(reader.unread(NO_CONNECTION))
            raise _first(lost) from None

    async def _beat(self, reader: Reader, part: float) -> None:
        fastest, *slower = reader.device.periods
        due_at = dict.fromkeys(slower, self._clock.boot())
        async for beat in ticks(self._clock, fastest, part * min(fastest, _SPREAD)):
            due = {fastest, *(one for one, at in due_at.items() if beat >= at - fastest / 2)}
            await reader.cycle(lambda told: self._emit(map(reader.sample, told)), reader.due(due))
            for period in due & due_at.keys():
                due_at[period] += period * (1 + max(0, beat - due_at[period]) // period)
            if missed := int((self._clock.boot() - beat) // fastest):
                self._figures.overran(missed)
            self._figures.device(reader, self._client)
            self._figures.link(self._client, self._readers)

    def _changed(self, reader: Reader, changes: Mapping[ObjectId, Change]) -> None:
        self._emit(map(reader.sample, reader.changed(changes)))

    async def _serve_wishes(self) -> None:
        while True:
            ask = await self._desk.next_wish()
            try:
                readings = await read(self._readers, ask.points, self._clock)
            except asyncio.CancelledError:
                self._decline(ask)
                raise
            if not ask.answer.done():
                ask.answer.set_result(readings)

    def _decline(self, ask: Ask) -> None:
        known = (sample for reader in self._readers for sample in reader.unread(NO_CONNECTION))
        readings = [Reading(sample) for sample in known if not ask.points or sample.point in ask.points]
        if not ask.answer.done():
            ask.answer.set_result(readings)


async def read(readers: Sequence[Reader], points: Sequence[str], clock: Clock) -> list[Reading]:
    """Read *points* by their full names (empty: all) once, in the order asked."""
    found: dict[str, Reading] = {}

    async def one(reader: Reader) -> None:
        prefix = f"{reader.device.name}."
        names = [name for name in reader.device.points if not points or prefix + name in points]

        def take(told: Sequence[Outcome]) -> None:
            found.update((reading.sample.point, reading) for reading in map(reader.reading, told))

        if names:
            await reader.cycle(take, names, asked=True)

    async with asyncio.TaskGroup() as all_at_once:
        for reader in readers:
            all_at_once.create_task(one(reader))
    order = points or [f"{one.device.name}.{name}" for one in readers for name in one.device.points]
    return [found.get(name) or _unknown(name, clock) for name in order]


def _unknown(name: str, clock: Clock) -> Reading:
    return Reading(Sample(name, None, clock.boot(), Quality.BAD, "unknown_point"))


def _first(group: BaseExceptionGroup[DriverError]) -> DriverError:
    """Give the first single error of a tree of groups."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
