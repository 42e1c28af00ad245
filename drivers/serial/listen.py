"""The life of a link whose devices talk by themselves: bytes in, frames found, samples out.

It never asks and never writes. Three intervals without a word from a device give samples that say so
(``no_reply``, or ``bad_reply`` when bytes came that were no frames). When the line is lost every point gets
``no_connection`` and DriverError leaves: starting again is the supervisor's affair.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Generic

from msgspec import Struct, field

from agent.core.catalogue.links import HEARD_WRONG
from agent.core.clock import Clock
from agent.core.driver import Ask, Desk, Reading
from agent.core.errors import DriverError
from agent.core.sample import Emit
from agent.core.ticks import ticks
from drivers.serial.figures import Figures
from drivers.serial.hear import F, Hearer, Parser, bad
from drivers.serial.source import Opener, Source

_log = logging.getLogger(__name__)
_MISSES: Final = 3
_PATIENCE: Final = 12.0  # seconds for a wish: less than the daemon waits for us
_WATCH: Final = 1.0


class _Wish(Struct):
    """Somebody waits until each of ``wanted`` has been heard, or until ``until``."""

    ask: Ask
    wanted: tuple[str, ...]
    until: float
    found: dict[str, Reading] = field(default_factory=dict)


class _Ear(Struct, Generic[F]):
    """One device: when it spoke last, and when its silence is next told."""

    hearer: Hearer[F]
    tell_at: float = 0.0
    garbled: bool = False

    def expect(self, now: float) -> None:
        """Note that it spoke, or that the line was opened, at *now*."""
        self.tell_at = now + _MISSES * self.hearer.every
        self.garbled = False


class Listener(Generic[F]):
    """Listens on one line."""

    def __init__(
        self, opened: Opener, parser: Parser[F], hearers: Sequence[Hearer[F]], *, clock: Clock, desk: Desk
    ) -> None:
        self._open, self._parser = opened, parser
        self._ears: list[_Ear[F]] = [_Ear(one) for one in hearers]
        self._points = tuple(point for one in hearers for point in one.points)
        self._clock, self._desk, self._figures = clock, desk, Figures(desk.figures)
        self._newest: dict[str, Reading] = {}
        self._wishes: list[_Wish] = []
        self._hinted = False

    async def run(self, emit: Emit) -> None:
        """Listen until cancelled; raise DriverError when the line is lost or cannot be opened."""
        try:
            source = await self._opened()
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._watch(emit))
                    tasks.create_task(self._take_wishes())
                    # here, not as a task: before 3.13 a group that waits for its tasks leaves us cancelled
                    await self._pump(source, emit)
            finally:
                source.close()
                self._figures.connected(up=False)
        except DriverError:
            self._report_loss(emit)
            raise
        except ExceptionGroup as group:
            lost, others = group.split(DriverError)
            if lost is None or others is not None:
                raise
            self._report_loss(emit)
            raise _first(lost) from None

    async def read(self, points: Sequence[str]) -> list[Reading]:
        """Listen until each of *points* (empty: all) has been heard, at most three intervals long."""
        wanted = tuple(points) or self._points
        start = self._clock.boot()
        longest = max((ear.hearer.every for ear in self._ears), default=0.0)
        ask = Ask(wanted, asyncio.get_running_loop().create_future())
        self._wishes.append(_Wish(ask, wanted, start + max(_PATIENCE, _MISSES * longest)))
        source = await self._opened()
        try:
            async with asyncio.TaskGroup() as tasks:
                pump = tasks.create_task(self._pump(source, _drop))
                watch = tasks.create_task(self._watch(_drop))
                answer = await ask.answer
                pump.cancel()
                watch.cancel()
        except ExceptionGroup as group:
            lost, others = group.split(DriverError)
            if lost is None or others is not None:
                raise
            raise _first(lost) from None
        finally:
            source.close()
        return list(answer)

    async def _opened(self) -> Source:
        source = await self._open()
        now = self._clock.boot()
        for ear in self._ears:
            ear.expect(now)
        self._figures.connected(up=True)
        if (fast := getattr(source, "low_latency", None)) is not None:
            self._figures.low_latency(on=fast)
        return source

    async def _pump(self, source: Source, emit: Emit) -> None:
        while True:
            data = await source.read()
            at = self._clock.boot()
            frames = self._parser.feed(data)
            for frame in frames:
                self._hear(frame, at, emit)
            if not frames:
                for ear in self._ears:
                    ear.garbled = True
            self._figures.seen(self._parser.counts)
            self._give_hint()

    def _hear(self, frame: F, at: float, emit: Emit) -> None:
        known = False
        for ear in self._ears:
            heard = ear.hearer.hear(frame, at)
            if heard is None:
                continue
            known = True
            ear.expect(at)
            if heard.fresh:
                emit(heard.fresh)
            for reading in heard.readings:
                self._newest[reading.sample.point] = reading
            self._answer_wishes(heard.readings)
        if known:
            self._figures.heard(at)
        else:
            self._figures.unmatched()
            for ear in self._ears:
                ear.garbled = True

    async def _watch(self, emit: Emit) -> None:
        async for _ in ticks(self._clock, _WATCH):
            now = self._clock.boot()
            self._figures.age(now)
            for ear in self._ears:
                if ear.hearer.every and now >= ear.tell_at:
                    why = "bad_reply" if ear.garbled else "no_reply"
                    emit([bad(point, now, why) for point in ear.hearer.missed()])
                    ear.tell_at, ear.garbled = now + ear.hearer.every, False
            for wish in [one for one in self._wishes if now >= one.until]:
                self._answer(wish, "no_reply")

    async def _take_wishes(self) -> None:
        while True:
            ask = await self._desk.next_wish()
            wanted = ask.points or self._points
            self._wishes.append(_Wish(ask, wanted, self._clock.boot() + _PATIENCE))

    def _answer_wishes(self, readings: Sequence[Reading]) -> None:
        for wish in list(self._wishes):
            wish.found.update((one.sample.point, one) for one in readings)
            if all(point in wish.found for point in wish.wanted if point in self._points):
                self._answer(wish, "no_reply")

    def _answer(self, wish: _Wish, why: str) -> None:
        self._wishes.remove(wish)
        if wish.ask.answer.done():
            return
        now = self._clock.boot()
        known = self._newest if why == "no_reply" else {}
        wish.ask.answer.set_result(
            [
                wish.found.get(point)
                or known.get(point)
                or Reading(bad(point, now, why if point in self._points else "unknown_point"))
                for point in wish.wanted
            ]
        )

    def _report_loss(self, emit: Emit) -> None:
        now = self._clock.boot()
        emit([bad(point, now, "no_connection") for ear in self._ears for point in ear.hearer.missed()])
        for ask in self._desk.waiting():  # who comes later waits for the next start
            self._wishes.append(_Wish(ask, ask.points or self._points, now))
        for wish in list(self._wishes):
            self._answer(wish, "no_connection")

    def _give_hint(self) -> None:
        hint = self._parser.hint
        self._figures.hint(hint)
        if hint and not self._hinted:
            names = ", ".join(ear.hearer.name for ear in self._ears)
            HEARD_WRONG.tell(_log, names, hint, DEVICE=names)
        self._hinted = bool(hint)


def _drop(samples: object) -> None:
    """Emit to nobody: a single reading is given to whoever asked for it."""


def _first(group: BaseExceptionGroup[DriverError]) -> DriverError:
    """Give the first single error of a tree of groups."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
