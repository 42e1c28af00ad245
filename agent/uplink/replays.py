"""What one recipient has asked to have once more, sent when nothing else waits.

Live data and backlog go first, a few messages are under way at most, and their rate is a fifth of what the
recipient's may be. What is still to do outlives the connection and the process. Nothing here decides what may
be sent: that is the outbox's to say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from typing import Final, Protocol

from msgspec import Struct, ValidationError, convert, to_builtins
from msgspec.structs import replace

from agent.core.clock import Instant
from agent.core.command import Answer, CanObey, Outcome, Stretch, Wanted, Why
from agent.core.message import HISTORY
from agent.outbox.again import Page, joined
from agent.outbox.row import Row
from agent.uplink.flow import Bucket
from agent.uplink.port import Packet
from agent.uplink.reasons import NO_SUBSCRIBER

MOST: Final = 4
"""Replays of one recipient that may wait, and messages of them that may be under way."""
STRETCHES: Final = 64
"""Stretches in an answer; a replay that meets more ends there, and its answer says how far it came."""
_PAGE: Final = 16
_SHARE: Final = 0.2
_FASTEST: Final = 10.0  # messages a second
_REFUSED: Final = 0x80
_MOST_EXPIRY: Final = 0xFFFFFFFF
_RETRY: Final = 5.0  # seconds after the disk failed


class Book(Protocol):
    """What replays need of the outbox; see ``agent.outbox.again``."""

    async def page(self, wanted: Wanted, most: int) -> Page | None:
        """Read rows; None while the disk fails."""
        ...

    def answer(self, answer: Answer) -> None:
        """Tell what became of a command."""
        ...

    def save(self, state: object) -> None:
        """Keep what is still to do."""
        ...

    def saved(self) -> object | None:
        """Give what was kept."""
        ...


class Request(Struct, kw_only=True):
    """One replay under way: all before ``next`` is settled."""

    wanted: Wanted
    next: int
    count: int = 0
    gone: list[Stretch] = []
    waits: list[Stretch] = []
    reply_to: str = ""
    correlation: bytes = b""

    def answer(self, outcome: Outcome, why: Why = "", *, last: int | None = None) -> Answer:
        """Say how it stands; *last*: as far as it came."""
        wanted = self.wanted if last is None else replace(self.wanted, last=last)
        return Answer(
            verb="replay",
            outcome=outcome,
            why=why,
            wanted=wanted,
            count=self.count,
            gone=joined(self.gone),
            waits=joined(self.waits),
            reply_to=self.reply_to,
            correlation=self.correlation,
        )


class _Sent(Struct):
    """One message under way; ``taken``: the broker has it."""

    packet: Packet
    number: int
    taken: bool = False


class Replays:
    """The replays of one recipient, one after the other."""

    def __init__(self, encoding: CanObey, book: Book, now: Callable[[], Instant], rate: float) -> None:
        self.sent = 0
        self._encoding = encoding
        self._book = book
        self._now = now
        self._bucket = Bucket(min(rate * _SHARE, _FASTEST) if rate else _FASTEST, now().boot)
        self._queue: deque[Request] = deque(_understood(book.saved()))
        self._ready: deque[Row] = deque()
        self._flying: list[_Sent] = []
        self._read_to = 0  # the number to read on from
        self._again_at = 0.0

    @property
    def waiting(self) -> int:
        """How many replays are not done."""
        return len(self._queue)

    @property
    def word(self) -> str:
        """What is being sent again, for people; empty when nothing is."""
        if not self._queue:
            return ""
        one = self._queue[0]
        return f"{one.wanted.product}, run {one.wanted.epoch}: {one.next} to {one.wanted.last}"

    def begin(self, request: Request) -> None:
        """Take a replay on."""
        self._queue.append(request)
        self._book.answer(request.answer("begun"))
        self._keep()

    def keep_to(self, products: Collection[str]) -> None:
        """Give up what is about other products: their grants have gone."""
        for request in [one for one in self._queue if one.wanted.product not in products]:
            self._end(request, "stopped", "product")

    def due(self, now: float) -> float | None:
        """Give the boot-time second at which something may be sent; None: nothing before an answer comes."""
        if not self._queue or len(self._flying) >= MOST:
            return None
        if not self._ready and self._flying and self._read_to > self._queue[0].wanted.last:
            return None
        return max(self._again_at, now + self._bucket.wait(now))

    async def take(self, room: int) -> list[Packet]:
        """Give up to *room* messages to send now; each must be ``answered``."""
        due, now = self.due(self._now().boot), self._now()
        if due is None or due > now.boot or room < 1:
            return []
        if not self._ready:  # once at most, so that nobody waits for a long stretch without anything
            await self._read()
        packets: list[Packet] = []
        while self._ready and len(packets) < room and len(self._flying) < MOST:
            if (packet := self._packet(self._ready.popleft(), now)) is not None:
                self._bucket.take(now.boot, 1)
                packets.append(packet)
        if self._queue:
            self._settle(self._queue[0])
        return packets

    def answered(self, packet: Packet, reason: int) -> None:
        """Note what the broker thinks of *packet*."""
        sent = next((one for one in self._flying if one.packet is packet), None)
        if sent is None:
            return  # of a replay that has ended meanwhile
        request = self._queue[0]
        if reason == NO_SUBSCRIBER or reason >= _REFUSED:
            self._end(request, "stopped", "unread" if reason == NO_SUBSCRIBER else "broker")
            return
        sent.taken = True
        self.sent += 1
        request.count += 1
        while self._flying and self._flying[0].taken:
            request.next = self._flying.pop(0).number + 1
        self._keep()
        self._settle(request)

    def lost(self) -> None:
        """Note that the connection is gone: what had no answer is sent once more."""
        if self._queue:
            self._go_back(self._queue[0])
            self._keep()

    # -- inside

    async def _read(self) -> None:
        request = self._queue[0]
        wanted = replace(request.wanted, first=max(self._read_to, request.next))
        if wanted.first > wanted.last:
            return
        page = await self._book.page(wanted, _PAGE)
        if not self._queue or self._queue[0] is not request:
            return  # it was given up while the disk was read
        if page is None:
            self._again_at = self._now().boot + _RETRY
            return
        self._ready.extend(page.rows)
        self._read_to = page.next
        request.gone += page.gone
        request.waits += page.waits

    def _packet(self, row: Row, now: Instant) -> Packet | None:
        left = int(min(row.expires - now.utc, _MOST_EXPIRY))
        if left <= 0:
            self._queue[0].gone.append((row.seq, row.seq))
            return None
        packet = Packet(
            topic=self._encoding.again(row.route.partition(".")[2]),
            body=row.body,
            content_type=row.content_type,
            utf8=row.utf8,
            user=(*row.user, HISTORY),
            expiry=left,
        )
        self._flying.append(_Sent(packet, row.seq))
        return packet

    def _settle(self, request: Request) -> None:
        """End *request* where all of it is settled, or where its answer would grow too long."""
        if self._ready or self._flying:
            return
        request.next = max(request.next, self._read_to)
        if request.next > request.wanted.last:
            self._end(request, "done")
        elif len(request.gone) + len(request.waits) > STRETCHES:
            self._end(request, "done", last=request.next - 1)

    def _end(self, request: Request, outcome: Outcome, why: Why = "", *, last: int | None = None) -> None:
        if self._queue[0] is request:
            self._go_back(request)
        if outcome == "stopped":
            last = request.next - 1
        self._queue.remove(request)
        self._book.answer(request.answer(outcome, why, last=last))
        self._keep()

    def _go_back(self, request: Request) -> None:
        """Forget what was read and is not settled."""
        self._ready.clear()
        self._flying.clear()
        self._read_to = 0
        request.gone = [one for one in request.gone if one[1] < request.next]
        request.waits = [one for one in request.waits if one[1] < request.next]

    def _keep(self) -> None:
        self._book.save([to_builtins(one) for one in self._queue] or None)


def _understood(saved: object | None) -> list[Request]:
    """Read what was kept; what cannot be understood was never asked for."""
    try:
        return convert(saved or [], list[Request])
    except ValidationError:
        return []
