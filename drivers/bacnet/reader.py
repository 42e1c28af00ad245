"""Reads one device: many points by one request, cut where the device refuses, one by one where it must be.

A request that the device finds too long is halved and its size remembered; one that it refuses for another
reason is cut until the point at fault is found, so that one bad point never costs the others. A device that
does not answer ends its cycle at once and is asked ever more rarely. It never guesses: a point without a
value gets a sample that says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from agent.core.breaker import Breaker
from agent.core.clock import Clock
from agent.core.driver import Reading
from agent.core.sample import Quality, Sample
from drivers.bacnet import convert
from drivers.bacnet.changes import Change, Changes, Wish
from drivers.bacnet.convert import NO_REPLY, Told
from drivers.bacnet.device import BacnetDevice
from drivers.bacnet.find import Finder, UnfoundError
from drivers.bacnet.learnt import Item, Learnt
from drivers.bacnet.peer import HERE, Peer
from drivers.bacnet.stack import Heard, IAm, RefusedError, SilentError, Stack
from drivers.bacnet.value import Answer, Bits, Fault, ObjectId, Ref

Outcome: TypeAlias = tuple[Item, Told | str]
"""A point, and what was told of it, or why nothing was."""

Take: TypeAlias = Callable[[Sequence[Outcome]], None]
_FAULT_FLAG: Final = 1


class Reader:
    """One device, as it is read."""

    def __init__(self, device: BacnetDevice, stack: Stack, finder: Finder, clock: Clock) -> None:
        self.device = device
        self._stack, self._finder, self._clock = stack, finder, clock
        self._items = {name: Item(f"{device.name}.{name}", point) for name, point in device.points.items()}
        self._period = {name: device.period(point) for name, point in device.points.items()}
        self.learnt = Learnt(list(self._items.values()))
        self.breaker = Breaker(0.0)
        self.peer: Peer | None = None
        self.changes: Changes | None = None
        if monitored := device.monitored:
            wish = Wish(name=device.name, objects=monitored, lifetime=device.cov_lifetime)
            self.changes = Changes(wish, stack, clock)
        self._checked: dict[str, float] = {}
        stack.listen(self._hear)

    @property
    def trouble(self) -> str:
        """What a person must know of where the device is; empty if all is well."""
        return self._finder.troubles.get(self.device.name, "")

    def due(self, periods: Collection[float]) -> list[str]:
        """Name the points to be read now, of those that are read every so many seconds.

        Of points whose changes are told one is read each time: it shows whether the device is there, and
        whether a change was missed.
        """
        names = [name for name, period in self._period.items() if period in periods]
        if self.changes is None:
            return names
        told = {name for name in names if self._is_told(self._items[name])}
        if told:
            turn = min(told, key=lambda name: self._checked.get(name, -math.inf))
            self._checked[turn] = self._clock.boot()
            told.remove(turn)
        return [name for name in names if name not in told]

    def _hear(self, heard: Heard) -> None:
        """Ask a silent device again as soon as it says who it is."""
        if not isinstance(heard, IAm) or self.device.instance not in (None, heard.instance):
            return
        at = self.device.peer or self.peer
        if at in (None, heard.peer):
            self.breaker.worked()
        if at == heard.peer and self.changes is not None:
            self.changes.found(heard.peer, heard.instance)

    def _is_told(self, item: Item) -> bool:
        covers = self.changes is not None and self.changes.covers(item.value.object)
        return covers and item.point.is_present_value()

    def changed(self, changes: Mapping[ObjectId, Change]) -> list[Outcome]:
        """Give what became of the points whose objects changed."""
        return [
            (item, Told(change.value, change.at, change.flags))
            for item in self._items.values()
            if item.point.is_present_value() and (change := changes.get(item.value.object)) is not None
        ]

    async def cycle(self, take: Take, names: Iterable[str], *, asked: bool = False) -> None:
        """Read the points called *names*; give what became of them as it comes.

        *asked*: somebody waits for just these, so they are asked for even if the device is silent.
        """
        now = self._clock.boot()
        self.learnt.forget(now)
        items = sorted((self._items[name] for name in names), key=lambda item: item.value)
        if not asked:
            if not self.breaker.allows(now):
                take([(item, NO_REPLY) for item in items])
                return
            items = self._without_unknown(items, take, now)
        if not items:
            return
        try:
            place = await self._finder.find(self.device)
        except UnfoundError as error:
            take([(item, error.why) for item in items])
            self.breaker.failed(self._clock.boot())
        except SilentError:
            take([(item, NO_REPLY) for item in items])
            self.breaker.failed(self._clock.boot())
        else:
            self.peer, self.learnt.max_apdu = place.peer, place.max_apdu
            if self.changes is not None:
                self.changes.found(place.peer, self.device.instance)
            await self._read(place.peer, items, take)

    def _without_unknown(self, items: list[Item], take: Take, now: float) -> list[Item]:
        known = []
        for item in items:
            if (fault := self.learnt.left_out(item, now)) is None:
                known.append(item)
            else:
                take([(item, Told(fault, now))])
        return known

    async def _read(self, peer: Peer, items: Sequence[Item], take: Take) -> None:
        work = [items]
        while work:
            batch, rest = self.learnt.cut(work.pop())
            if rest:
                work.append(rest)
            began = self._clock.boot()
            try:
                again = await self._ask(peer, batch, take)
            except SilentError:
                now = self._clock.boot()
                left = [*batch, *(item for one in reversed(work) for item in one)]
                take([(item, NO_REPLY) for item in left])
                self._finder.lost(self.device)
                self.breaker.failed(now, 0.0 if peer.network == HERE else now - began)
                if self.changes is not None:
                    self.changes.silent()
                return
            work.extend(reversed(again))
        self.breaker.worked()
        if self.changes is not None:
            self.changes.answers()

    async def _ask(self, peer: Peer, batch: Sequence[Item], take: Take) -> Sequence[Sequence[Item]]:
        """Make one request; give what must be asked instead."""
        if self.learnt.is_alone(batch[0]):
            await self._ask_alone(peer, batch[0], take)
            return ()
        refs = list(dict.fromkeys(ref for item in batch for ref in item.refs))
        try:
            answers = await self._stack.read_many(peer, refs)
        except RefusedError as error:
            now = self._clock.boot()
            again = self.learnt.refused(batch, error.fault, now)
            if not again:
                take([(item, Told(error.fault, now)) for item in batch])
            return again
        told = dict(zip(refs, answers, strict=True))
        now = self._clock.boot()
        take([(item, _told(item, told, now)) for item in batch])
        for item in batch:
            self._learn(item, told)
        return ()

    async def _ask_alone(self, peer: Peer, item: Item, take: Take) -> None:
        """Read a point by ReadProperty: value and flags, and reliability if these tell of a fault."""
        told: dict[Ref, Answer] = {}
        for ref in item.refs:
            if ref == item.reliability and not _tells_fault(told.get(item.flags)):
                continue
            try:
                told[ref] = await self._stack.read(peer, ref)
            except RefusedError as error:
                told[ref] = error.fault
                if ref == item.value:
                    self.learnt.unknown(item, error.fault, self._clock.boot())
                    break
        take([(item, _told(item, told, self._clock.boot()))])
        self._learn(item, told)

    def _learn(self, item: Item, told: Mapping[Ref, Answer]) -> None:
        item.learn(told)
        if self.changes is not None and item.point.is_present_value() and item.value in told:
            self.changes.polled(item.value.object, told[item.value])

    def sample(self, outcome: Outcome) -> Sample:
        """Turn what became of a point into a sample."""
        item, told = outcome
        if isinstance(told, str):
            return Sample(item.name, None, self._clock.boot(), Quality.BAD, told)
        return convert.sample(item.name, item.point, told)

    def reading(self, outcome: Outcome) -> Reading:
        """Do the same for people."""
        item, told = outcome
        if isinstance(told, str):
            return Reading(self.sample(outcome))
        return convert.reading(item.name, item.point, told)

    def unread(self, reason: str) -> list[Sample]:
        """Give a sample without a value for each point."""
        now = self._clock.boot()
        return [Sample(item.name, None, now, Quality.BAD, reason) for item in self._items.values()]


def _told(item: Item, told: Mapping[Ref, Answer], now: float) -> Told:
    nothing = Fault("garbled")
    event_state = told.get(item.event_state) if item.point.event_state else None
    return Told(
        told.get(item.value, nothing), now, told.get(item.flags), told.get(item.reliability), event_state
    )


def _tells_fault(flags: Answer | None) -> bool:
    return isinstance(flags, Bits) and flags[_FAULT_FLAG]
