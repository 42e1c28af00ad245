"""The life of a Modbus link: each device at its own beat, wishes in between.

One request is on the line at a time. A poll that takes longer than its period skips the beats it missed and
counts them; it never overlaps with itself. On an overloaded line, what is read rarely is put off first, and
the journal says so. When the connection is lost, every point gets a sample that says so, and DriverError
leaves: starting again is the supervisor's affair.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import Final, Protocol

from agent.core.catalogue.links import LINE_CARRIES, LINE_OVERLOADED
from agent.core.clock import Clock
from agent.core.driver import Ask, Desk, Reading
from agent.core.errors import DriverError
from agent.core.sample import Emit, Quality, Sample
from agent.core.ticks import ticks
from drivers.modbus.figures import Figures
from drivers.modbus.reader import Outcome, Reader
from drivers.modbus.request import Answer, Fault, Request

NO_CONNECTION = "no_connection"
_log = logging.getLogger(__name__)
_SHED: Final = 10.0  # periods after which a slow class takes its turn at any price
_WEIGHT: Final = 4  # a late poll outweighs so many that were in time
_MANY: Final = 12
_GRACE: Final = 0.5  # of a period: so late a poll is still worth its beat
_MEMORY: Final = 100
_SHOW: Final = 60.0  # seconds between two looks at what the plan costs


class Watched(Protocol):
    """What a poller needs of a link."""

    async def ask(self, request: Request, timeout: float | None = None, every: float = 0.0) -> Answer | Fault:  # noqa: ASYNC109
        """Read once, when it is the turn of *every*."""
        ...

    async def identify(self, unit: int, timeout: float, every: float = 0.0) -> Answer | Fault:  # noqa: ASYNC109
        """Ask for the device identification, when it is the turn of *every*."""
        ...

    @property
    def figures(self) -> Figures:
        """What the link counts."""
        ...

    async def watch(self) -> None:
        """Raise DriverError when the other end is found to be out of reach."""
        ...

    async def listen(self, seconds: float) -> None:
        """Raise DriverError when another master speaks on the line."""
        ...


class Poller:
    """Polls the devices of one link."""

    def __init__(
        self, link: Watched, readers: Sequence[Reader], emit: Emit, *, clock: Clock, desk: Desk
    ) -> None:
        self._link, self._figures = link, link.figures
        self._readers = {reader.device.name: reader for reader in readers}
        self._emit, self._clock, self._desk = emit, clock, desk
        self._late: dict[str, int] = {}
        self._overloaded = False
        self._silent: set[str] = set()
        self._shown = -math.inf

    async def run(self, listen: float = 0.0) -> None:
        """Poll until cancelled; raise DriverError when the connection is lost.

        For *listen* seconds before the first request another master is listened for.
        """
        try:
            if listen:
                await self._link.listen(listen)
        except DriverError:
            self._report_loss()
            self._turn_wishes_away()
            raise
        try:
            async with asyncio.TaskGroup() as beats:
                beats.create_task(self._link.watch())
                beats.create_task(self._serve_wishes())
                beats.create_task(self._serve_probes())
                for reader in self._readers.values():
                    beats.create_task(self._beat(reader))
        except ExceptionGroup as group:
            lost, others = group.split(DriverError)
            if lost is None or others is not None:
                raise
            self._report_loss()
            self._turn_wishes_away()
            raise _first(lost) from None

    async def _beat(self, reader: Reader) -> None:
        fastest, *slower = reader.periods
        due_at = dict.fromkeys(slower, self._clock.boot())
        grace = _GRACE * fastest
        async for beat in ticks(self._clock, fastest, grace=grace):
            late = await self._cycle(reader, beat, fastest, due_at)
            self._note_silence(reader)
            missed, over = divmod(max(0.0, self._clock.boot() - beat), fastest)  # a timer may fire early
            missed -= bool(missed) and over < grace
            if missed:
                self._figures.overran(int(missed))
            # who does not answer is late by itself: the line may be able to carry more
            self._load(reader, late=late or (missed > 0 and not reader.breaker.doubts))
            self._show_plan()

    async def _cycle(self, reader: Reader, beat: float, fastest: float, due_at: dict[float, float]) -> bool:
        """Read what is due; note when slower points are due again; say whether some of them are late."""

        def take(outcome: Outcome) -> None:
            self._emit(reader.samples(outcome))

        if not due_at:
            await reader.cycle(take, tell=self._emit)
            return False
        due = {fastest: beat, **{one: at for one, at in due_at.items() if beat >= at - fastest / 2}}
        overdue = any(beat - at > _SHED * one for one, at in due.items())
        until = 0.0 if overdue else beat + fastest
        put_off = await reader.cycle(take, due=due, until=until, tell=self._emit)
        late = False
        for period in due.keys() & due_at.keys():
            skipped = int((beat - due_at[period]) // period)
            late = late or skipped > 0
            if period not in put_off:
                self._figures.shed(period, skipped)
                due_at[period] += period * (skipped + 1)
        return late

    def _load(self, reader: Reader, *, late: bool) -> None:
        """Tell once when the line cannot carry what is asked of it, and once when it can again."""
        name, before = reader.device.name, self._late.get(reader.device.name, 0)
        if not late and not before:
            return
        self._late[name] = min(_MEMORY, before + _WEIGHT) if late else max(0, before - 1)
        late_ones = [one for one, count in self._late.items() if count >= (1 if self._overloaded else _MANY)]
        if bool(late_ones) == self._overloaded:
            return
        self._overloaded = bool(late_ones)
        self._figures.overload(late_ones)
        if late_ones:
            LINE_OVERLOADED.tell(_log, late_ones[0], reader.periods[0], DEVICE=late_ones[0])
        else:
            LINE_CARRIES.tell(_log, DEVICE=name)

    def _note_silence(self, reader: Reader) -> None:
        name = reader.device.name
        if reader.breaker.open is not (name in self._silent):
            self._silent ^= {name}
            self._figures.silent([one for one in self._readers if one in self._silent])

    def _show_plan(self) -> None:
        now = self._clock.boot()
        if now < self._shown + _SHOW:
            return
        self._shown = now
        readers = self._readers.values()
        lacking = [name for reader in readers for name in reader.lacking]
        self._figures.lacking(lacking, sum(reader.stretches for reader in readers))
        prices = [reader.price() for reader in self._readers.values()]
        self._figures.planned(sum(one for one, _ in prices), sum(best for _, best in prices))

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

    async def _serve_probes(self) -> None:
        first = await self._desk.next_probe()
        from drivers.modbus.probe import serve  # on most links nobody ever looks around

        await serve(self._link, self._desk, self._clock, first)

    def _report_loss(self) -> None:
        for reader in self._readers.values():
            self._emit(reader.unread(NO_CONNECTION))

    def _turn_wishes_away(self) -> None:
        """Answer those who wait already; who comes later waits for the next start."""
        for ask in self._desk.waiting():
            self._decline(ask)

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
