"""One connection at work: sends rows, judges the answers, tells the status. It never reconnects.

Only an answer below 0x80 that is not held moves a cursor; whatever has no answer when the connection ends
goes back to the outbox.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from agent.core.clock import Instant
from agent.core.command import ANSWERS
from agent.core.errors import UplinkError
from agent.core.message import HISTORY, Message
from agent.outbox.row import Row
from agent.uplink.aside import Aside
from agent.uplink.desk import Feed
from agent.uplink.flow import Flow
from agent.uplink.port import Link, Packet
from agent.uplink.reasons import TOO_LARGE, Action, action
from agent.uplink.routes import Routes
from agent.uplink.sizes import size_of
from agent.uplink.timing import Timing

if TYPE_CHECKING:
    from agent.uplink.replays import Replays

_LOOK: Final = 1.0
_PASSED_OVER: Final = 3
_MOST_EXPIRY: Final = 0xFFFFFFFF

_log = logging.getLogger(__name__)


class Flight(Struct, frozen=True):
    """A message without an answer yet: a row of the outbox, one of our own, or one that is sent again."""

    sent: float
    message: Message | Row | Packet


class Tally:
    """Figures of an uplink over all its connections."""

    def __init__(self) -> None:
        self.sent = 0
        self.accepted = 0
        self.refused = 0
        self.late = 0
        self.rtt_ms = 0.0


class Session:
    """The life of one connection."""

    def __init__(self, link: Link, feed: Feed, routes: Routes, *, flow: Flow, setup: Setup) -> None:
        self._link = link
        self._feed = feed
        self._routes = routes
        self._flow = flow
        self._setup = setup
        self._since = setup.now().boot
        self._live_since: dict[str, float] = {}
        self._newest: dict[str, int] = {}  # of each route, the latest row that was sent
        self._own: deque[Message] = deque()
        self._flights: dict[asyncio.Future[int], Flight] = {}
        self._wake = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._hungry = True
        self._called = False  # the outbox said that there may be something
        self._next_look = 0.0
        self._heard = 0.0  # when the last answer came
        self._full = False  # nothing more could be sent before an answer came
        self._aside = Aside(setup.timing.probe)
        link.closed.add_done_callback(lambda _: self._wake.set())

    @property
    def flying(self) -> int:
        """How many messages have no answer yet."""
        return len(self._flights)

    def say(self, messages: Sequence[Message]) -> None:
        """Queue messages of our own; they go before rows. A newer one takes the place of one not yet sent."""
        if not messages:
            return
        topics = {message.topic for message in messages}
        self._own = deque(one for one in self._own if one.topic not in topics)
        self._own.extend(messages)
        self._wake.set()

    def stir(self) -> None:
        """Look again for news, and at what was set aside: there is another plan."""
        self._try_again(self._aside.all(self._setup.now().boot))
        self._wake.set()

    async def run(self) -> None:
        """Send until the connection is lost; then raise UplinkError."""
        while True:
            self._settle()
            if self._link.closed.done():
                raise UplinkError(self._link.closed.result().text)
            now = self._setup.now()
            self._check_patience(now.boot)
            self._try_again(self._aside.due(now))
            self.say(self._setup.news(now.boot))
            await self._send()
            await self._pause()

    async def farewell(self, messages: Sequence[Message]) -> None:
        """Say last words and wait for what is under way, briefly; then close in order."""
        self.say(messages)
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self._setup.timing.farewell):
                while (self._own or self._flights) and not self._link.closed.done():
                    self._send_own(self._setup.now().boot)
                    self._wake.clear()
                    if self._own or not all(answer.done() for answer in self._flights):
                        await self._wake.wait()
                    self._settle()
                await self._link.leave()

    def end(self) -> None:
        """Close whatever is open and give unanswered rows back. Called exactly once, however it ended."""
        if self._watch is not None:
            self._watch.cancel()
        self._link.abort()
        self._settle()
        self._feed.release([one.message for one in self._flights.values() if isinstance(one.message, Row)])
        self._feed.release(self._aside.all(self._setup.now().boot))
        self._flights.clear()
        if self._setup.replays is not None:
            self._setup.replays.lost()

    # -- sending

    async def _send(self) -> None:
        self._send_own(self._setup.now().boot)
        if self._watch is not None and self._watch.done():
            self._watch.result()  # the outbox's own troubles are not ours to hide
            self._watch, self._hungry, self._called = None, True, True
        await self._send_probes()
        if self._hungry and not self._own:
            await self._send_rows()
        if not self._hungry and not self._own:
            await self._send_again()

    async def _send_again(self) -> None:
        """Send what was asked for once more: the last of all, so that it delays nothing."""
        if (replays := self._setup.replays) is None:
            return
        for packet in await replays.take(self._flow.room(self._setup.now().boot, self.flying)):
            self._publish(packet, Flight(self._setup.now().boot, packet), backlog=False)

    def _send_own(self, now: float) -> None:
        while self._own and self._flow.room(now, self.flying):
            message = self._own.popleft()
            packet = Packet(
                topic=message.topic,
                body=message.body,
                qos=message.qos,
                retain=message.retain,
                content_type=message.content_type,
                utf8=message.utf8,
                user=message.user,
            )
            self._publish(packet, Flight(now, message), backlog=False)

    async def _send_probes(self) -> None:
        for route in self._routes.probes(self._setup.now().boot):
            if not self._flow.room(self._setup.now().boot, self.flying):
                return
            others = (frozenset(self._routes.names) | self._routes.blocked()) - {route}
            rows = await self._feed.take(0, 1, others) or await self._feed.take(1, 0, others)
            self._hungry = True  # the outbox told of other routes too, and was not asked for them
            if not rows:
                self._routes.idle(route)
            for row in rows:
                if row.route == route:  # what is left of a withdrawn route is no probe of this one
                    self._routes.probing(route)
                self._send_row(row, backlog=True)

    async def _send_rows(self) -> None:
        """Take live rows first, then of the backlog what the window and the rate leave."""
        skip = self._routes.blocked()
        before, called, self._called = self._setup.tally.sent, self._called, False
        for backlog in (False, True):
            now = self._setup.now().boot
            room = (self._flow.backlog_room if backlog else self._flow.room)(now, self.flying)
            rows = await self._feed.take(0, room, skip) if backlog else await self._feed.take(room, 0, skip)
            for row in rows:
                self._send_row(row, backlog=backlog)
            if len(rows) >= room:  # no room, or there may be more: look again when there is room
                return
        self._hungry = False
        if (
            called and self._setup.tally.sent == before
        ):  # only rows that may not go now: do not ask in a circle
            self._next_look = self._setup.now().boot + _LOOK

    def _send_row(self, row: Row, *, backlog: bool) -> None:
        now = self._setup.now()
        packet = self._packet(row, now)
        too_large = self._link.info.maximum_packet
        if too_large is not None and size_of(packet) > too_large:
            self._refused(row, TOO_LARGE, now.boot)
        elif packet.expiry is None:
            self._feed.release([row])  # its retention is over: the outbox declares it
        else:
            self._setup.tally.late += packet.user != row.user
            self._newest[row.route] = max(row.id, self._newest.get(row.route, 0))
            self._publish(packet, Flight(now.boot, row), backlog=backlog)

    def _packet(self, row: Row, now: Instant) -> Packet:
        late = self._is_late(row)
        left = int(min(row.expires - now.utc, _MOST_EXPIRY))
        return Packet(
            topic=row.topic,
            body=row.body,
            qos=row.qos,
            retain=row.retain,
            content_type=row.content_type,
            utf8=row.utf8,
            correlation=row.correlation,
            user=user_properties(row, late=late),
            expiry=left if left > 0 else None,
        )

    def _is_late(self, row: Row) -> bool:
        """Say whether *row* waited: for this run, for this connection, for its route, or until overtaken."""
        since = self._live_since.get(row.route, self._since)
        overtaken = row.id < self._newest.get(row.route, 0)
        return row.epoch != self._setup.epoch() or row.boot <= since or overtaken

    def _publish(self, packet: Packet, flight: Flight, *, backlog: bool) -> None:
        answer = self._link.publish(packet)
        self._flights[answer] = flight
        answer.add_done_callback(self._came if not answer.done() else lambda _: self._wake.set())
        self._flow.sent(flight.sent, backlog=backlog)
        self._setup.tally.sent += 1

    # -- answers

    def _came(self, answer: asyncio.Future[int]) -> None:
        """Learn from an answer the moment it comes: it may be judged only when the disk has been read."""
        self._wake.set()
        flight = self._flights.get(answer)
        if flight is None or answer.exception() is not None:
            return
        self._heard = now = self._setup.now().boot
        self._flow.answered(now, now - flight.sent, full=self._full)
        self._setup.tally.rtt_ms = round((now - flight.sent) * 1000, 1)

    def _settle(self) -> None:
        """Judge every answer that has come; those of a lost connection stay in flight."""
        now = self._setup.now().boot
        for answer in [one for one in self._flights if one.done() and one.exception() is None]:
            flight = self._flights.pop(answer)
            if isinstance(flight.message, Message):
                self._judge_own(flight.message, answer.result())
            elif isinstance(flight.message, Packet):
                self._judge_again(flight.message, answer.result())
            else:
                self._judge(flight.message, answer.result(), now)

    def _judge_own(self, message: Message, reason: int) -> None:
        self._setup.own_answered(message, reason)
        if reason >= 0x80:
            self._setup.tally.refused += 1
        else:
            self._flow.accepted()

    def _judge_again(self, packet: Packet, reason: int) -> None:
        if self._setup.replays is not None:
            self._setup.replays.answered(packet, reason)

    def _judge(self, row: Row, reason: int, now: float) -> None:
        judged = action(reason, retained=row.retain, hold=self._holds(row))
        if judged is not Action.ACCEPT:
            self._refused(row, reason, now)
            return
        self._feed.acked(row)
        self._flow.accepted()
        self._setup.tally.accepted += 1
        over = self._aside.is_over(row) and self._routes.too_large(row.route, some=False)
        if self._routes.accepted(row.route) or over:
            self._live_since[row.route] = now
            self._hungry = True
            self._setup.changed(row.route, reason)

    def _refused(self, row: Row, reason: int, now: float) -> None:
        judged = action(reason, retained=row.retain, hold=self._holds(row))
        self._setup.tally.refused += judged is not Action.HOLD
        if reason == TOO_LARGE:
            self._setup.too_large(len(row.body))
        if reason == TOO_LARGE and self._aside.add(row, now):
            if self._routes.too_large(row.route, some=True):
                self._setup.changed(row.route, reason)
            return
        if judged is Action.SLOW:
            self._flow.halve()
        self._feed.release([row])
        self._hungry = True
        if self._routes.refused(row.route, judged, reason, now):
            self._setup.changed(row.route, reason)

    def _holds(self, row: Row) -> bool:
        """Say whether *row* waits for a subscriber; an answer is for who asked, and waits for nobody else."""
        return self._setup.hold and not row.route.endswith(f".{ANSWERS}")

    def _try_again(self, rows: list[Row]) -> None:
        if rows:
            self._feed.release(rows)
            self._hungry = True

    # -- waiting

    def _check_patience(self, now: float) -> None:
        since = self._waits_since()
        # the very sum that _next waits for: a difference may round to the other side of it
        if since is not None and since + self._setup.timing.answer <= now:
            raise UplinkError(
                f"{self._setup.where} has not answered for {now - since:.0f} s: the link is given up"
            )

    def _waits_since(self) -> float | None:
        """Give the moment since when nothing has been answered that should have been.

        On a thin line one message after the other is answered, each late: that line is not dead. One that is
        left out all the time is waited for four times as long.
        """
        if not self._flights:
            return None
        oldest = min(flight.sent for flight in self._flights.values())
        return max(oldest, min(self._heard, oldest + _PASSED_OVER * self._setup.timing.answer))

    async def _pause(self) -> None:
        """Wait for an answer, for rows, or for the next thing that time brings."""
        now = self._setup.now().boot
        self._full = self.flying >= self._flow.window
        if not self._hungry and self._watch is None and now >= self._next_look:
            self._watch = asyncio.ensure_future(self._feed.wait())
            self._watch.add_done_callback(lambda _: self._wake.set())
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._next(now) - now)):
                await self._wake.wait()
        self._wake.clear()

    def _next(self, now: float) -> float:
        """Give the moment at which something is due even if nothing happens."""
        due = [self._setup.next_news()]
        if not self._hungry and self._watch is None:
            due.append(self._next_look)
        if (since := self._waits_since()) is not None:
            due.append(since + self._setup.timing.answer)
        if self.flying < self._flow.window:  # else only an answer makes room
            ready = now + self._flow.wait(now)
            if (probe := self._routes.next_probe()) is not None:
                due.append(max(probe, ready))
            if self._hungry or self._own:
                due.append(ready)
            elif self._setup.replays is not None and (again := self._setup.replays.due(now)) is not None:
                due.append(max(again, ready))
        return min(due)


class Setup(Struct, kw_only=True):
    """What a session asks of the uplink that it belongs to."""

    now: Callable[[], Instant]
    timing: Timing
    tally: Tally
    hold: bool
    where: str
    epoch: Callable[[], int]
    news: Callable[[float], Sequence[Message]]
    next_news: Callable[[], float]
    changed: Callable[[str, int], None]
    own_answered: Callable[[Message, int], None]
    too_large: Callable[[int], None]
    replays: Replays | None = None


def user_properties(row: Row, *, late: bool) -> tuple[tuple[str, str], ...]:
    """Give a row's User Properties as sent: its own, and ``h=1`` when it is history."""
    return (*row.user, HISTORY) if late else row.user
