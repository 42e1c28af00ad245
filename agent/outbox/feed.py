"""What one recipient still has to get, handed out in the order that serves it best.

Live rows first, straight from memory; then the backlog from disk, oldest first, events before batches. It
keeps nothing per waiting row: while nobody is connected, new rows are on disk only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from agent.core.clock import Clock
from agent.outbox.lane import Lane
from agent.outbox.row import Row
from agent.outbox.work import Found, Span

LIVE_ROWS: Final = 64
LIVE_BYTES: Final = 512 << 10
LEAST_LIFE: Final = 1.0
"""MQTT counts a message's life in whole seconds: with less than one left it is not given any more."""


class FeedDesk(Protocol):
    """What a feed needs of its outbox."""

    clock: Clock

    @property
    def floor(self) -> int:
        """The id before the first row."""
        ...

    @property
    def tail(self) -> int:
        """The id of the last row."""
        ...

    async def read(self, spans: Sequence[Span], count: int, avoid: frozenset[int]) -> list[Found]:
        """Read rows from disk; none while the disk fails."""
        ...

    def expiry(self, lane: Lane, row: Found) -> float:
        """Give the UTC second at which *row* must no longer leave."""
        ...

    def expired(self) -> None:
        """Hear that something expired stands at the head of a lane."""
        ...

    def bound(self, recipient: str, most: int) -> None:
        """Hear the bytes of a body that a recipient's broker takes; 0: any."""
        ...


class Feed:
    """The rows of one recipient; one uplink takes from it.

    ``refused`` may be set by the uplink to the routes whose messages the broker refuses: what expires there
    is declared so.
    """

    def __init__(self, recipient: str, lanes: Callable[[], Iterable[Lane]], desk: FeedDesk) -> None:
        self.recipient = recipient
        self.refused: frozenset[str] = frozenset()
        self._lanes = lanes
        self._desk = desk
        self._live: deque[tuple[Lane, Row, int]] = deque()
        self._live_size = 0
        self._online = False
        self._some = asyncio.Event()
        self._some.set()

    def online(self, connected: bool) -> None:
        """Say whether somebody sends: only then are new rows kept in memory for it."""
        self._online = connected
        if not connected:
            self._live.clear()
            self._live_size = 0
        self._some.set()

    async def wait(self) -> None:
        """Wait until something came that the last ``take`` has not seen: new rows, or rows given back."""
        await self._some.wait()

    async def take(self, live: int, backlog: int, skip: frozenset[str] = frozenset()) -> list[Row]:
        """Take up to *live* rows just made and *backlog* older ones, leaving out the routes in *skip*.

        They are under way until they are ``acked`` or released. What has expired is not given.
        """
        self._some.clear()
        rows = self._take_live(live, skip)
        if backlog > 0:
            rows += await self._take_backlog(backlog, skip)
        more = any(lane.behind for lane in self._lanes() if lane.name not in skip)
        if more and (backlog <= 0 or len(rows) >= backlog):
            self._some.set()
        return rows

    def acked(self, row: Row) -> None:
        """Settle *row*: the broker has it."""
        lane = self._lane(row.route)
        if lane is not None:
            lane.acknowledge(row)
            if lane.in_order and lane.behind:
                self._some.set()

    def bound(self, most: int) -> None:
        """Note the bytes of a body that the broker takes (0: any): what is made from now on fits."""
        self._desk.bound(self.recipient, most)

    def release(self, rows: Iterable[Row]) -> None:
        """Give back rows that were taken and not acknowledged; they will be taken again."""
        for row in rows:
            lane = self._lane(row.route)
            if lane is not None:
                lane.flight.pop(row.id, None)
        self._some.set()

    # -- the outbox's side --------------------------------------------------------------------------------

    def offer(self, lane: Lane, row: Row, before: int) -> None:
        """Tell of a row that has just become safe; beyond a few the oldest wait on disk like any other."""
        if self._online and not lane.orderly:
            self._live.append((lane, row, before))
            self._live_size += len(row.body)
            while len(self._live) > LIVE_ROWS or self._live_size > LIVE_BYTES:
                _, old, _ = self._live.popleft()
                self._live_size -= len(old.body)
        self._some.set()

    def stir(self) -> None:
        """Wake whoever waits: something changed."""
        self._some.set()

    def _take_live(self, most: int, skip: frozenset[str]) -> list[Row]:
        now = self._desk.clock.now().utc
        rows: list[Row] = []
        kept: list[tuple[Lane, Row, int]] = []
        while self._live:
            lane, row, before = self._live.popleft()
            if lane.orderly or lane.erasing or lane.withheld(row.kind) or not lane.wants(row.id):
                self._live_size -= len(row.body)
            elif len(rows) >= most or lane.name in skip:
                kept.append((lane, row, before))
            else:
                self._live_size -= len(row.body)
                if row.expires >= now + LEAST_LIFE:
                    lane.flight[row.id] = before
                    rows.append(row)
        self._live.extend(kept)
        return rows

    async def _take_backlog(self, most: int, skip: frozenset[str]) -> list[Row]:
        waiting = {row.id for _, row, _ in self._live}
        lanes = {
            lane.number: lane
            for lane in self._lanes()
            if lane.name not in skip and lane.behind and not lane.erasing and not lane.must_wait
        }
        spans = [span for lane in lanes.values() for span in lane.spans(self._desk.floor, self._desk.tail)]
        if not spans:
            return []
        avoid = waiting.union(*(lane.flight for lane in lanes.values()), *(x.leaving for x in lanes.values()))
        rows: list[Row] = []
        for found in await self._desk.read(spans, most, frozenset(avoid)):
            lane = lanes[found.route]
            # while the disk was read, the row may have been settled, pruned or withdrawn
            if found.id <= self._desk.floor or not lane.wants(found.id) or lane.erasing or lane.must_wait:
                continue
            if lane.withheld(found.kind):
                lane.erasing = True
                self._desk.expired()
                continue
            if found.body is None:
                lane.settle(found.before + 1, found.id)
                continue
            expires = self._desk.expiry(lane, found)
            if expires < self._desk.clock.now().utc + LEAST_LIFE:
                self._desk.expired()
                continue
            lane.flight[found.id] = found.before
            rows.append(lane.row(found, expires))
        return rows

    def _lane(self, name: str) -> Lane | None:
        return next((lane for lane in self._lanes() if lane.name == name), None)
