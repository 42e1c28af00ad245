"""Subscriptions to changes of value at one device: asked for, kept alive, and given back.

A device has few places for subscribers, and the building's own management comes first: there is a cap, and
an object that finds no place is polled. A subscription counts as alive once its first notice has come, and
until its lifetime is over; it is renewed at half of that, and at once when the device may have forgotten it:
when it says who it is, when it answers again after a silence, or when a poll shows a change that no notice
told. Numbers of subscriptions stay the same, so that a gateway that starts again takes its own places. Of a
burst the latest value of each object is told. Source: ANSI/ASHRAE 135, clause 13.1.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final
from zlib import crc32

from msgspec import Struct

from agent.core.clock import Clock
from drivers.bacnet.names import PRESENT_VALUE, PROPERTIES, STATUS_FLAGS
from drivers.bacnet.peer import Peer
from drivers.bacnet.stack import Heard, IAm, Notice, RefusedError, SilentError, Stack, Subscription
from drivers.bacnet.turns import Bucket
from drivers.bacnet.value import Answer, Fault, ObjectId, Ref, Value

_INCREMENT: Final = PROPERTIES["cov-increment"]
_CALM: Final = 0.25  # seconds between two tellings: in a burst only the latest value of each object counts
_AFRESH: Final = 0.5  # a second: how often a device is believed to have started anew
_SETTLE: Final = 2.0  # a notice so young may have crossed the poll that differs from it
_FIRST_PAUSE, _LAST_PAUSE = 2.0, 600.0
_FULL_PAUSE: Final = 600.0
_WEEK: Final = 7 * 86400.0
_FAREWELL: Final = 2.0
_RESOURCES: Final = 3  # as class of an error
_UNABLE: Final = {
    "error": frozenset({31, 32, 44, 45, 67}),  # unknown, no such property, not for changes, not supported
    "reject": frozenset({9}),
}
_FULL: Final = {"error": frozenset({18, 19, 43, 81}), "abort": frozenset({9})}


class Change(Struct, frozen=True):
    """What a notice said of an object, and when it came; ``flags`` None where it told none."""

    value: Value
    at: float
    flags: Value | None = None


class Tally(Struct):
    """What a person may want to know of one device's subscriptions."""

    notices: int = 0
    lost_renewals: int = 0
    missed: int = 0
    """Changes that a poll showed and no notice told."""

    turned_away: int = 0
    """Requests that the device had no place for."""


class _Watch(Struct):
    """One object: when to ask next, and until when the last subscription lives."""

    object: ObjectId
    ask_at: float = -math.inf
    until: float = -math.inf
    heard: bool = False
    failures: int = 0
    told: Change | None = None
    increment: float | None = None


class Wish(Struct, frozen=True, kw_only=True):
    """What is wanted of the device called *name*: changes of *objects*; each *lifetime* is in seconds."""

    name: str
    objects: tuple[ObjectId, ...]
    lifetime: float


Take = Callable[[Mapping[ObjectId, Change]], None]


class Changes:
    """Keeps the subscriptions of one device."""

    def __init__(self, wish: Wish, stack: Stack, clock: Clock) -> None:
        self.tally = Tally()
        self.wanted = len(wish.objects)
        self.process = process_number(wish.name)
        self._stack, self._clock, self._lifetime = stack, clock, wish.lifetime
        self._watches = {one: _Watch(one) for one in wish.objects}
        self._peer: Peer | None = None
        self._instance: int | None = None
        self._silent = False
        self._full_until = -math.inf
        self._afresh = Bucket(clock, _AFRESH, 3)
        self._fresh: dict[ObjectId, Change] = {}
        self._work, self._news = asyncio.Event(), asyncio.Event()

    async def run(self, take: Take) -> None:
        """Keep them until cancelled, *take* gets what changed; then give them back, if the device lets us."""
        deafen = self._stack.listen(self._hear)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._keep())
                both.create_task(self._tell(take))
        finally:
            deafen()
            await self._leave()

    @property
    def alive(self) -> int:
        """How many objects are known by their changes now."""
        return sum(self.covers(one) for one in self._watches)

    def covers(self, one: ObjectId) -> bool:
        """Say whether changes of *one* are being told."""
        watch = self._watches.get(one)
        return watch is not None and watch.heard and not self._silent and self._clock.boot() < watch.until

    def found(self, peer: Peer, instance: int | None) -> None:
        """Note where the device is; at another place it knows nothing of us."""
        self._instance = instance
        if peer != self._peer:
            self._peer = peer
            for watch in self._watches.values():
                watch.ask_at = watch.until = -math.inf
                watch.heard = False
        self._work.set()

    def silent(self) -> None:
        """Note that the device does not answer: nothing is asked until it does."""
        self._silent = True

    def answers(self) -> None:
        """Note that the device answers; after a silence it may have forgotten us."""
        if self._silent:
            self._silent = False
            self._ask_again()

    def polled(self, one: ObjectId, value: Answer) -> None:
        """Compare a polled *value* with what was told: a difference means that a notice was lost."""
        watch, now = self._watches.get(one), self._clock.boot()
        if watch is None or watch.told is None or not self.covers(one):
            return
        if now - watch.told.at < _SETTLE or isinstance(value, Fault) or not _differs(watch, value):
            return
        self.tally.missed += 1
        watch.told = Change(value, now)
        watch.ask_at = now
        self._work.set()

    def _hear(self, heard: Heard) -> None:
        if isinstance(heard, Notice):
            watch = self._watches.get(heard.object)
            if watch is not None and (heard.peer, heard.process) == (self._peer, self.process):
                self._notice(watch, heard)
        elif isinstance(heard, IAm) and heard.peer == self._peer and self._instance in (None, heard.instance):
            self._silent = False
            self._ask_again()

    def _notice(self, watch: _Watch, notice: Notice) -> None:
        known = {ref.property: value for ref, value in notice.values}
        if PRESENT_VALUE not in known:
            return
        self.tally.notices += 1
        change = Change(known[PRESENT_VALUE], self._clock.boot(), known.get(STATUS_FLAGS))
        watch.heard, watch.told = True, change
        self._fresh[watch.object] = change
        self._news.set()

    def _ask_again(self) -> None:
        """Renew everything now, but not more often than is good for the device."""
        now = self._clock.boot()
        at = now if self._afresh.may() else now + 1 / _AFRESH
        for watch in self._watches.values():
            if watch.until > -math.inf or watch.failures:  # not what the device is unable to do
                watch.ask_at, watch.failures = min(watch.ask_at, at), 0
        self._work.set()

    async def _tell(self, take: Take) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            fresh, self._fresh = self._fresh, {}
            take(fresh)
            await self._clock.sleep(_CALM)

    async def _keep(self) -> None:
        while True:
            self._work.clear()
            if self._peer is not None and not self._silent:
                await self._ask_due(self._peer)
            next_at = min((one.ask_at for one in self._watches.values()), default=math.inf)
            idle = self._peer is None or self._silent
            with suppress(TimeoutError):
                async with asyncio.timeout(None if idle else max(0.0, next_at - self._clock.boot())):
                    await self._work.wait()

    async def _ask_due(self, peer: Peer) -> None:
        for watch in self._watches.values():
            now = self._clock.boot()
            if watch.ask_at > now:
                continue
            if now < self._full_until and now >= watch.until:
                watch.ask_at = self._full_until
            elif not await self._ask(peer, watch) or peer != self._peer:
                return

    async def _ask(self, peer: Peer, watch: _Watch) -> bool:
        """Subscribe or renew; say whether the device answers."""
        lived = watch.until
        watch.ask_at = math.inf  # whoever wants it sooner meanwhile says so
        wish = Subscription(self.process, watch.object, max(1, round(self._lifetime)))
        try:
            await self._stack.subscribe(peer, wish)
        except SilentError:
            self._note_failure(watch, lived)
            return False
        except RefusedError as error:
            self._refused(watch, error.fault, lived)
            return True
        now = self._clock.boot()
        watch.until, watch.failures = now + self._lifetime, 0
        watch.ask_at = min(watch.ask_at, now + self._lifetime / 2)
        if watch.increment is None:
            await self._learn_increment(peer, watch)
        return True

    def _note_failure(self, watch: _Watch, lived: float) -> None:
        now = self._clock.boot()
        self.tally.lost_renewals += now < lived
        if watch.ask_at < math.inf:
            return  # it said something meanwhile, so it is asked again at once
        watch.failures += 1
        at = now + min(_LAST_PAUSE, _FIRST_PAUSE * 2.0 ** (watch.failures - 1))
        for other in self._watches.values():  # a device that is silent for one is so for all
            other.ask_at = at if other is watch else max(other.ask_at, at)

    def _refused(self, watch: _Watch, fault: Fault, lived: float) -> None:
        now = self._clock.boot()
        self.tally.lost_renewals += now < lived
        watch.heard, watch.until, watch.failures = False, -math.inf, 0
        if fault.code in _UNABLE.get(fault.kind, ()):
            watch.ask_at = now + _WEEK
        elif fault.code in _FULL.get(fault.kind, ()) or fault.error_class == _RESOURCES:
            self.tally.turned_away += 1
            self._full_until = now + _FULL_PAUSE
            watch.ask_at = self._full_until
        else:
            watch.ask_at = now + _FULL_PAUSE

    async def _learn_increment(self, peer: Peer, watch: _Watch) -> None:
        """Ask by how much a number must change to be told; what has no increment tells each change."""
        watch.increment = math.inf
        try:
            told = await self._stack.read(peer, Ref(watch.object, _INCREMENT))
        except (RefusedError, SilentError):
            return
        if isinstance(told, float) and told >= 0:
            watch.increment = told

    async def _leave(self) -> None:
        """End what lives, without keeping anybody waiting."""
        peer = self._peer
        living = [one.object for one in self._watches.values() if self._clock.boot() < one.until]
        if peer is None or self._silent or not living:
            return
        with suppress(TimeoutError, SilentError):
            async with asyncio.timeout(_FAREWELL):
                for one in living:
                    with suppress(RefusedError):
                        await self._stack.unsubscribe(peer, self.process, one)


def process_number(name: str) -> int:
    """Give the number under which we subscribe at the device called *name*: always the same one."""
    return crc32(name.encode()) % 0x3FFFFF + 1


def _differs(watch: _Watch, value: Value) -> bool:
    assert watch.told is not None
    told = watch.told.value
    if isinstance(told, float) and isinstance(value, float):
        return watch.increment is not None and abs(value - told) > watch.increment
    return type(told) is type(value) and told != value
