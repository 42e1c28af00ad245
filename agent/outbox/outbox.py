"""The outbox: the only queue of the gateway, on disk, and at the same time the ledger of what left.

``put`` takes what the gate cleared and nothing else; it numbers, encodes and returns, and the messages are
handed to uplinks only once they are safe on disk. It never loses one in silence: every loss becomes a
``gap`` message. Of its own it sends only ``start``, ``gap`` and ``time``; what is noted stays here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time, timedelta
from functools import cached_property, partial
from math import inf
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from agent.config.brokers import is_loopback
from agent.core.catalogue.store import NO_HEADS
from agent.core.clock import Clock
from agent.core.command import ANSWERS
from agent.core.errors import OutboxError
from agent.core.message import Encoding, Message, Queue
from agent.core.plan import Plan
from agent.core.product import Route
from agent.gate import Cleared
from agent.outbox.books import Books
from agent.outbox.feed import Feed
from agent.outbox.keeper import Keeper
from agent.outbox.lane import Lane, Terms
from agent.outbox.opening import open_or_salvage
from agent.outbox.port import Inline, Port, Threaded
from agent.outbox.store import Store

if TYPE_CHECKING:
    from agent.core.ed25519 import Key
    from agent.outbox.again import Again

FILE = "outbox.db"
_ANSWER: Final = 86400.0  # seconds that an answer waits for whoever asked
log = logging.getLogger(__name__)


def _new_lid() -> str:
    return token_hex(4)


class Outbox:
    """One file of messages for all recipients."""

    def __init__(self, keeper: Keeper, store: Store, port: Port, cap: int) -> None:
        self.lid = keeper.books.lid
        self.epoch = keeper.books.epoch
        self.cap = cap
        self._keeper = keeper
        self._books = keeper.books
        self._store = store
        self._port = port

    @classmethod
    async def open(  # noqa: PLR0913 - each is named, and none has a group of its own
        cls,
        folder: Path,
        *,
        cap: int,
        keep: float,
        clock: Clock,
        boxed: bool = True,
        new_lid: Callable[[], str] = _new_lid,
        saving: Callable[[float], None] = lambda share: None,
    ) -> Outbox:
        """Open the outbox in *folder* or make it; a damaged one is moved aside and salvaged.

        *cap* bounds the file in bytes, *keep* is the local retention in seconds. *boxed*: with a thread of
        its own; else every call blocks, for simulations. While a damaged file is salvaged, that thread tells
        *saving* what share has been looked at. Raise OutboxError if the disk is out of reach.
        """
        port: Port = Threaded() if boxed else Inline()
        store = Store(folder / FILE, cap)
        opening = await port.submit(partial(open_or_salvage, store, new_lid, saving))
        books = Books(opening, clock)
        await port.submit(partial(store.note_epoch, books.epoch))
        keeper = Keeper(books, store, port, keep)
        await keeper.commit()
        return cls(keeper, store, port, cap)

    @cached_property
    def key(self) -> Key | None:
        """The key that signs heads, made when the first witness asks for one; None where none can be had."""
        from agent.outbox.signing import own_key  # for witnesses alone

        try:
            return own_key(self._store.path.parent)
        except OutboxError as error:
            NO_HEADS.tell(log, error)
            return None

    @property
    def head(self) -> tuple[int, str]:
        """The last row that is safe on disk, and its link in hex."""
        return self._books.tail, self._books.link.hex()

    @property
    def trouble(self) -> str:
        """What is wrong with the disk, as a sentence; empty when nothing is."""
        return self._keeper.trouble

    @property
    def hanging_since(self) -> float | None:
        """Boot-time second since which a commit is awaited; None while nothing waits. For the watchdog."""
        return self._keeper.hanging_since()

    def configure(self, plan: Plan, encodings: Mapping[str, Encoding]) -> None:
        """Apply *plan* at start and at each reload; *encodings* are by recipient.

        Each route opens with a ``start`` message, and a ``gap`` after an unclean stop. Routes that are gone
        have their unsent messages erased and declared; so have those whose recipient is no longer on this
        computer, if a process without a cage made some of them.
        """
        self._books.policy = plan.policy
        now = self._keeper.clock.now()
        zone = ZoneInfo(plan.timezone)
        terms: dict[str, Terms] = {}
        whereabouts = {one.name: f"{one.host}:{one.port} {one.encoding}" for one in plan.recipients}
        for route in plan.routes:
            ends = _end(route, zone)
            if not now.synced or now.utc < ends:
                terms[route.id] = Terms(route.keep, ends, whereabouts.get(route.recipient, ""))
        terms |= {f"{one.name}.{ANSWERS}": Terms(_ANSWER, inf) for one in plan.recipients if one.commands}
        near = {one.name for one in plan.recipients if is_loopback(one.host)}
        self._books.open_lanes(terms, encodings, near)
        self._keeper.wake(house=True)
        for feed in self._keeper.feeds.values():
            feed.stir()

    def put(self, cleared: Cleared) -> None:
        """Take what the gate cleared: number and encode it; it is on disk within about a second."""
        if type(cleared) is not Cleared:
            raise TypeError("the outbox takes only what the gate has cleared")
        self._books.put(cleared)
        self._keeper.wake()

    def spend(self, cleared: Cleared) -> None:
        """Keep account of the noise in what the gate cleared, whoever gets it."""
        self._books.spend(cleared)

    def note(self, message: Message, *, mark: str, policy: str) -> None:
        """Write down for good what is sent to nobody; *mark* stays with it, and is safe when it is.

        *policy* is in force from then on.
        """
        self._books.note(message, mark, policy)
        self._keeper.wake()

    @property
    def mark(self) -> str:
        """What came with the last ``note``; empty if there was none."""
        return self._books.mark

    @property
    def noted(self) -> int:
        """The row of the last ``note`` of this run that is safe on disk; 0: none yet."""
        return self._books.noted

    def save(self, product: str, state: object) -> None:
        """Keep a pipeline's memory; it becomes safe together with what was put before it."""
        self._books.kept.save(product, state)

    def saved(self, product: str) -> object | None:
        """Give what was last kept for *product*; None if there is nothing."""
        saved: object | None = self._books.kept.saved(product)
        return saved

    def tell_time(self, offset: float) -> None:
        """Tell recipients what turns this boot's stamps into UTC, where messages without it went out."""
        self._books.tell_time(offset)
        self._keeper.wake(house=True)

    def lose(self, route: str, why: str, begin: float, end: float) -> None:
        """Declare that nothing will come on *route* for a stretch of UTC seconds."""
        self._books.lose(self._books.lane(route), why, begin, end)
        self._keeper.wake()

    async def run(self) -> None:
        """Bring messages to disk in groups, make room, apply retention; until cancelled.

        Raise RuntimeError when the file turns out to be damaged: the next process salvages it.
        """
        await self._keeper.work()

    async def flush(self) -> None:
        """Bring everything that waits to disk now; while the disk fails it stays in memory."""
        await self._keeper.commit()

    async def tend(self) -> None:
        """Do now what ``run`` does in time: bring what waits to disk and apply every retention."""
        await self._keeper.commit()
        await self._keeper.keep_house()
        if self._books.urgent:
            await self._keeper.commit()

    async def close(self) -> None:
        """Flush, note that the stop was clean, and let go of the file."""
        await self._keeper.commit(clean=True)
        await self._port.submit(self._store.close)
        self._port.close()

    def feed(self, recipient: str) -> Feed:
        """Give the one feed of *recipient*."""
        feeds = self._keeper.feeds
        if recipient not in feeds:
            feeds[recipient] = Feed(recipient, lambda: self._lanes(recipient), self._keeper)
        return feeds[recipient]

    def again(self, recipient: str) -> Again:
        """Give what *recipient* has had already, for a replay, and the way to answer it."""
        from agent.outbox.again import Again  # few recipients may ask for anything

        return Again(recipient, self._keeper)

    def queue(self, recipient: str) -> Queue:
        """Say what *recipient* still has to get."""
        lanes = self._lanes(recipient)
        stamps = [lane.oldest for lane in lanes if lane.oldest is not None]
        return Queue(
            n=sum(lane.n for lane in lanes),
            oldest=min(stamps, default=None),
            bytes=sum(lane.size for lane in lanes),
            cap=self.cap,
        )

    def _lanes(self, recipient: str) -> Sequence[Lane]:
        return self._books.of.get(recipient, ())


def _end(route: Route, zone: ZoneInfo) -> float:
    """Give the UTC second at which a grant ends: midnight after its last day, at the site."""
    if route.until is None:
        return float("inf")
    return datetime.combine(route.until + timedelta(days=1), time(), zone).timestamp()
