"""Keeps the file in order: commits in groups, makes room under the cap, and applies every retention.

Nothing here raises for a disk that fails: what waits stays in memory within bounds, is tried again, and
``trouble`` says so. Only a damaged file is raised, from ``work``, because a restart salvages it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from agent.core.catalogue.store import DISK_FAILS, DISK_WORKS
from agent.core.clock import Clock
from agent.core.errors import OutboxError
from agent.outbox.books import Books
from agent.outbox.feed import Feed
from agent.outbox.lane import DATA, UNCONFINED, Lane
from agent.outbox.port import Port
from agent.outbox.row import Draft, Header, Row
from agent.outbox.schema import PAGE
from agent.outbox.store import DamagedError, Store
from agent.outbox.transaction import Transaction
from agent.outbox.work import Done, Found, Span

log = logging.getLogger(__name__)
T = TypeVar("T")

WATERMARK: Final = 0.90
LEAST: Final = 64
PAGE_OF_ROWS: Final = 256
ROW_OVERHEAD: Final = 350
HOUSE: Final = 60.0
# longer than a minute: with one-minute windows a cursor must not go alone just before the next append
SILENCE: Final = 75.0
_LONGEST_RETRY: Final = 30.0


class Keeper:
    """The outbox at work, between the books and the file."""

    def __init__(self, books: Books, store: Store, port: Port, keep: float) -> None:
        self.books = books
        self.clock: Clock = books.clock
        self.keep = keep
        self.trouble = ""
        self.feeds: dict[str, Feed] = {}
        self._store = store
        self._port = port
        self._turn = asyncio.Lock()
        self._under_way: asyncio.Future[Done] | None = None
        self._sent_at = 0.0
        self._stuck: Transaction | None = None
        self._damage: OutboxError | None = None
        self._wake = asyncio.Event()
        self._house_due = 0.0
        self._last_commit = self.clock.boot()
        self._failures = 0

    # -- what feeds ask -----------------------------------------------------------------------------------

    @property
    def floor(self) -> int:
        """The id before the first row."""
        return self.books.floor

    @property
    def tail(self) -> int:
        """The id of the last row."""
        return self.books.tail

    async def read(self, spans: Sequence[Span], count: int, avoid: frozenset[int]) -> list[Found]:
        """Read the backlog; nothing while the disk fails."""
        found = await self._ask(partial(self._store.backlog, spans, count, avoid))
        return found or []

    async def numbered(self, lane: Lane, number: tuple[int, int], count: int) -> list[Found] | None:
        """Read rows of *lane* from *number* (epoch, seq) on, those of its present grant; None: disk fails."""
        since = max(lane.since, self.floor)
        return await self._ask(partial(self._store.numbered, lane.number, since, number, count))

    def expiry(self, lane: Lane, row: Header | Found) -> float:
        """Give the UTC second at which *row* must no longer leave."""
        return self._expiry(lane, row, row.id)

    def _expiry(self, lane: Lane, row: Header | Found | Draft, at: int) -> float:
        now = self.clock.now()
        if row.expires is None and at < self.books.boot_from and now.synced:
            return lane.end(row)  # its time is learnt first
        return lane.expiry(row, utc=now.utc, boot=now.boot, same_boot=at >= self.books.boot_from)

    def hanging_since(self) -> float | None:
        """Give the boot-time second since which the disk owes an answer, or nobody asks it; None: all moves.

        A disk that fails is no hang: what waits is tried again, and ``trouble`` says so.
        """
        if self._under_way is not None:
            return self._sent_at
        return self.books.pending[0].boot if self.books.pending and not self.trouble else None

    def expired(self) -> None:
        """Look after retention at the next opportunity."""
        self._house_due = 0.0
        self._wake.set()

    def bound(self, recipient: str, most: int) -> None:
        """Note the bytes of a body that a recipient's broker takes; 0: any."""
        self.books.bound(recipient, most)

    # -- the life of it -----------------------------------------------------------------------------------

    def wake(self, *, house: bool = False) -> None:
        """Tell that something waits."""
        if house:
            self._house_due = 0.0
        self._wake.set()

    async def work(self) -> None:
        """Commit at most once a second, and keep house once a minute, until cancelled."""
        while True:
            await self._rest()
            quiet = self.clock.boot() - self._last_commit >= SILENCE
            if self.books.urgent or self._stuck or (quiet and self.books.dirty):
                await self.commit()
            if self.clock.boot() >= self._house_due:
                await self.keep_house()
            if self._damage:
                # none of our own errors: those are retried for ever, and only a new process can salvage
                raise RuntimeError(str(self._damage)) from self._damage
            await self.clock.sleep(min(_LONGEST_RETRY, 2.0**self._failures))

    async def _rest(self) -> None:
        """Wait for something to do."""
        if self.books.urgent or self._stuck:
            return
        try:
            async with asyncio.timeout(max(0.0, min(HOUSE, self._house_due - self.clock.boot()))):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def commit(self, *, clean: bool = False) -> bool:
        """Bring everything that waits to the disk; say whether it is there."""
        async with self._turn:
            await self._landing()
            if self._stuck is not None:
                stuck, self._stuck = self._stuck, None
                if not await self._send(stuck):
                    return False
            drop = await self._room()
            return await self._send(self.books.draw(drop=drop, clean=clean))

    async def _room(self) -> list[Header]:
        """Choose what must leave from the front so that what waits fits below the watermark."""
        books = self.books
        need = books.pending_size // PAGE + 8
        over = books.used + need - int(WATERMARK * books.limit)
        if over <= 0:
            return []
        front = await self._ask(partial(self._store.front, 4 * PAGE_OF_ROWS)) or []
        freed = 0
        for count, header in enumerate(front, 1):
            freed += (header.size or 0) + ROW_OVERHEAD
            if count >= LEAST and freed >= over * PAGE:
                return front[:count]
        return front

    async def _send(self, transaction: Transaction) -> bool:
        """Do *transaction* and take over its result, even if whoever waits for it is cancelled."""
        future = self._port.submit(partial(self._store.commit, transaction.work))
        if future.done():
            self._landed(transaction, future)
        else:
            self._under_way, self._sent_at = future, self.clock.boot()
            future.add_done_callback(partial(self._landed, transaction))
            await asyncio.wait([future])
        return future.exception() is None

    async def _landing(self) -> None:
        if self._under_way is not None:
            await asyncio.wait([self._under_way])

    def _landed(self, transaction: Transaction, future: asyncio.Future[Done]) -> None:
        self._under_way = None
        error = future.exception()
        if error is None:
            self._recovered()
            self._last_commit = self.clock.boot()
            for lane, number, draft, before in self.books.land(transaction, future.result()):
                if (feed := self.feeds.get(lane.recipient)) is not None:
                    feed.offer(lane, self._row(lane, number, draft), before)
            return
        if transaction.gives_up:
            self._stuck = transaction
        else:
            self.books.take_back(transaction)
        self._failed(error)

    def _row(self, lane: Lane, number: int, draft: Draft) -> Row:
        message = draft.message
        return Row(
            id=number,
            route=lane.name,
            epoch=draft.epoch,
            seq=draft.seq,
            kind=message.kind,
            topic=message.topic,
            body=message.body,
            user=message.user,
            content_type=message.content_type,
            utf8=message.utf8,
            qos=message.qos,
            retain=message.retain,
            made=draft.made,
            expires=self._expiry(lane, draft, number),
            policy=draft.policy,
            boot=draft.boot,
            correlation=message.correlation,
        )

    # -- trouble ------------------------------------------------------------------------------------------

    async def _ask(self, function: Callable[[], T]) -> T | None:
        """Read from the disk; None when it fails, which is then known as trouble."""
        future = self._port.submit(function)
        if not future.done():
            await asyncio.wait([future])
        if (error := future.exception()) is not None:
            self._failed(error)
            return None
        return future.result()

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, OutboxError):
            raise error
        if not self.trouble:
            DISK_FAILS.tell(log, error)
        self.trouble = str(error)
        self._failures += 1
        self.books.failing = True
        if isinstance(error, DamagedError) and self._damage is None:
            self._damage = error
            self._store.damage_mark.touch()
        self._house_due = 0.0

    def _recovered(self) -> None:
        if self.trouble:
            DISK_WORKS.tell(log)
        self.trouble, self._failures = "", 0
        self.books.failing = False

    # -- keeping house ------------------------------------------------------------------------------------

    async def keep_house(self) -> None:
        """Erase what expired or was withdrawn, let the oldest delivered rows go, and look at the disk."""
        self._house_due = self.clock.boot() + HOUSE
        async with self._turn:
            await self._landing()
            await self._look_at_disk()
            if self._stuck is None and not self._damage:
                await self._learn_times()
                await self._erase()
                await self._let_go()
        if any(lane.erasing for lane in self.books.lanes.values()):
            self._house_due = self.clock.boot() + 1.0

    async def _look_at_disk(self) -> None:
        if self._failures >= 3:
            await self._ask(self._store.reopen)
        if (done := await self._ask(self._store.breathe)) is not None:
            self.books.used, self.books.limit = done.used, done.limit

    async def _learn_times(self) -> None:
        """Once the clock is trusted, give rows made before that the end of their retention."""
        now = self.clock.now()
        for lane in self.books.lanes.values():
            if not now.synced or not lane.unsynced:
                continue
            after = self.floor
            while headers := await self._headers(lane, after):
                after = headers[-1].id
                learnt = [
                    (
                        one.id,
                        (now.offset + one.boot if one.id >= self.books.boot_from else now.utc) + lane.keep,
                    )
                    for one in headers
                    if one.expires is None
                ]
                if learnt and not await self._send(self.books.draw(expiry=learnt)):
                    return
            if lane.told or lane.unsynced != self.clock.boot_id:
                lane.unsynced, lane.told, lane.dirty = "", False, True

    async def _headers(self, lane: Lane, after: int, count: int = PAGE_OF_ROWS) -> list[Header]:
        holes = tuple(lane.acked.holes(max(after, self.floor), self.tail))
        if not holes or not lane.n:
            return []
        return (
            await self._ask(partial(self._store.headers, [Span(route=lane.number, holes=holes)], count)) or []
        )

    async def _erase(self) -> None:
        """Erase unsent bodies whose retention or grant has ended, and declare them."""
        for lane in list(self.books.lanes.values()):
            head = await self._headers(lane, self.floor, 1)
            lane.oldest = head[0].made if head else None
            if head and (lane.erasing or self._has_ended(lane) or self._is_over(lane, head[0])):
                await self._erase_lane(lane)
            elif not lane.n:
                lane.erased()

    async def _erase_lane(self, lane: Lane) -> None:
        feed = self.feeds.get(lane.recipient)
        why = "refused" if feed is not None and lane.name in feed.refused and not lane.erasing else "ttl"
        why = UNCONFINED if lane.erasing and lane.home and lane.granted else why
        after, held = self.floor, False
        while headers := await self._headers(lane, after):
            after = headers[-1].id
            over = [one for one in headers if (lane.erasing and one.kind in DATA) or self._is_over(lane, one)]
            held = held or any(one.id in lane.flight for one in over)
            blank = [(one, why) for one in over if one.id not in lane.flight and one.size is not None]
            if blank and not await self._send(self.books.draw(blank=blank)):
                return
            if len(over) < len(headers) and not lane.erasing and not self._has_ended(lane):
                return
        if not held and not self.trouble:
            lane.erased()

    def _has_ended(self, lane: Lane) -> bool:
        return lane.ends <= self.clock.now().utc

    def _is_over(self, lane: Lane, row: Header) -> bool:
        now = self.clock.now()
        return self.expiry(lane, row) <= now.utc

    async def _let_go(self) -> None:
        """Delete delivered rows past the local retention, whole and from the front, many at once."""
        lanes = self.books.by_number
        while True:
            limit, count = self.clock.now().utc - self.keep, 0
            front = await self._ask(partial(self._store.front, PAGE_OF_ROWS, limit)) or []
            for at, header in enumerate(front, 1):
                lane = lanes.get(header.route)
                if header.size is not None and lane is not None and header.id not in lane.acked:
                    break
                # a label from before the clock was set proves nothing; a later trusted row does
                if header.expires is not None and header.made <= limit:
                    count = at
            if count < LEAST or not await self._send(self.books.draw(drop=front[:count])):
                return
