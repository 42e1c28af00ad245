"""One link to a Modbus endpoint, and the questions asked over it, one at a time.

Where replies have numbers, others are asked while one is late, and it is taken when it comes. The link never
has two connections to an endpoint, never repeats a request of the same length, and never waits without an
end. A connection that the other end closes between two questions is opened again by the next one (many
devices close when idle); one that ends under a question, dies of silence, or cannot be opened, raises
DriverError.
"""

from __future__ import annotations

import asyncio
import errno
from typing import Final

from agent.core.clock import Clock
from drivers.modbus.figures import Figures
from drivers.modbus.frames import Question
from drivers.modbus.ghosts import Ghosts
from drivers.modbus.line import OVERHEAD
from drivers.modbus.overdue import Overdue, Waiting
from drivers.modbus.patience import Patience
from drivers.modbus.request import (
    POLITE,
    UNSURE,
    WHO_ARE_YOU,
    Answer,
    Fault,
    Request,
    why,
)
from drivers.modbus.session import Later, LinkLostError, Session, reason
from drivers.modbus.turns import Turns
from drivers.modbus.way import Way

_BLINK: Final = 0.02  # so long a probe holds the others up where its reply is taken later, too
_MOMENT: Final = 0.05  # the same for a question behind one whose reply is late
_HEARD: Final = 5.0  # a connection on which nobody has answered for so long is opened anew
_TRIES: Final = 3
_PEACE: Final = 1.0
_STRANGERS: Final = 3  # frames of another master that are no accident any more
_ACCIDENT: Final = 60.0
_UNREACHABLE: Final = frozenset((errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN))


class Link:
    """Asks one endpoint; opens its connection when first needed."""

    def __init__(
        self, way: Way, clock: Clock, figures: Figures, *, ceiling: float, connect_delay: float = 0.0
    ) -> None:
        self.way = way
        self.figures = figures
        self.patience = Patience(ceiling)
        self._clock, self._connect_delay = clock, connect_delay
        self._frames = way.frames()
        self._waiting = Waiting()
        self._turns = Turns()
        self._session: Session | None = None
        self._heard = 0.0
        self._lost = asyncio.Event()
        self._ending = ""
        self._ghosts: dict[int, Ghosts] = {}
        self._peace: dict[int, float] = {}
        self._rested: dict[int, float] = {}
        self._strangers, self._strangers_since = 0, clock.boot()

    async def __aenter__(self) -> Link:
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.close()

    @property
    def numbered(self) -> bool:
        """Whether a reply says what it answers."""
        return self._frames.numbered

    @property
    def connected(self) -> bool:
        """Whether a connection is open."""
        return self._session is not None and not self._session.ended

    def late(self) -> int:
        """Count the replies that came too late; only for who asks alone on this link."""
        self._frames.give_up()
        return self._frames.tally.stale

    def close(self) -> None:
        """Close the connection; the next question opens another one."""
        if self._session is not None:
            self._session.close()
            self._session = None
        self.figures.connected(up=False)

    async def watch(self) -> None:
        """Raise DriverError as soon as the other end is found to be gone, asked or not."""
        await self._lost.wait()
        raise LinkLostError(self._ending)

    async def listen(self, seconds: float) -> None:
        """Hear whether another master speaks on the line; raise DriverError if one does."""
        await self._turns.take(0.0)
        try:
            await self._open()
            self._strangers_since = self._clock.boot() + seconds
            await self._clock.sleep(seconds)
            self._frames.give_up()
            self._note_strays(self._clock.boot(), most=0)
        finally:
            self._turns.give()

    async def ask(
        self,
        request: Request,
        timeout: float | None = None,  # noqa: ASYNC109 - one timer of the session serves it
        every: float = 0.0,
    ) -> Answer | Fault:
        """Read; give the bytes or why there are none; raise DriverError when the connection is lost.

        *timeout* is the wait in seconds (None: as learnt of the unit, 0: as brief as others of this link
        allow); *every* the period of what is read, 0 for a person's wish.
        """
        manners = request.manners
        if self._frames.numbered and not manners.zero_transaction:
            question = Question(request.unit, request.body, request.reply_bytes, manners)
            reply = await self._ask_numbered(question, timeout, every)
            return reply if isinstance(reply, Fault) else Answer(reply.data[2:], reply.at, reply.seconds)
        for _ in range(_TRIES):
            reply = await self._ask_apart(request, timeout, every)
            if not isinstance(reply, Fault) or reply.why != UNSURE:
                break
        return reply

    async def identify(self, unit: int, timeout: float, every: float = 0.0) -> Answer | Fault:  # noqa: ASYNC109
        """Ask for the device identification; the answer's bytes begin with the list of objects."""
        await self._turns.take(every)
        try:
            reply = await self._exchange(Question(unit, WHO_ARE_YOU, -1, POLITE), timeout)
        finally:
            self._turns.give()
        return reply if isinstance(reply, Fault) else Answer(reply.data[7:], reply.at)

    async def _ask_numbered(self, question: Question, timeout: float | None, every: float) -> Answer | Fault:  # noqa: ASYNC109
        """Ask where a reply says what it answers: when it is late, others have their turn meanwhile."""
        patience, unit, most, is_probe = self.patience, question.unit, 0.0, timeout is not None
        await self._turns.take(every)
        try:
            hold = patience.of(unit) if timeout is None else timeout or min(_BLINK, patience.ceiling)
            if not timeout:
                most = patience.late(every, probe=is_probe)
                if self._waiting.few:  # whoever stands behind a late one is late too
                    hold = patience.brief(unit, floor=_MOMENT)
            session, sent, reply = await self._speak(question, hold, max(0.0, most - hold))
            if not isinstance(reply, tuple):
                return self._judged(unit, reply, sent)
        finally:
            self._turns.give()
        one = self._waiting.add(unit, sent, self._clock.boot() - sent, probe=is_probe)
        return await self._overdue(session, reply, one, most)

    async def _overdue(self, session: Session, late: Later, one: Overdue, most: float) -> Answer | Fault:
        """Wait for a reply that is late, until *most* seconds after the question, while others speak."""
        unit, sent = one.unit, one.sent
        try:
            body = await session.later(late, most - one.held)
        finally:
            now = self._clock.boot()
            self._waiting.end(one, now, self.patience.ceiling)
        if body is None:
            return self._missed(unit, now, one.held)
        self._waiting.charge(sent, now)
        self.figures.late()
        self.patience.answered_late(unit, now - sent)
        return self._answered(body, now, now - sent)

    async def _ask_apart(self, request: Request, timeout: float | None, every: float) -> Answer | Fault:  # noqa: ASYNC109
        """Ask where only the length can tell a late reply from the right one."""
        lane = -1 if request.manners.any_unit else request.unit
        ghosts = self._ghosts.setdefault(lane, Ghosts())
        while (left := self._peace.get(lane, 0.0) - self._clock.boot()) > 0:
            await self._clock.sleep(left)
        await self._turns.take(every)
        try:
            asked = ghosts.told_apart(request)
            if asked is None or ghosts.too_many:
                await self._quarantine(lane, ghosts)
                asked = ghosts.told_apart(request) or request
            return await self._ask_marked(request, asked, ghosts, timeout)
        finally:
            self._turns.give()

    async def _ask_marked(
        self, request: Request, asked: Request, ghosts: Ghosts, limit: float | None
    ) -> Answer | Fault:
        question = Question(asked.unit, asked.body, asked.reply_bytes, asked.manners)
        begun = self._clock.boot()
        try:
            reply = await self._exchange(question, limit)
        except (LinkLostError, asyncio.CancelledError):
            ghosts.given_up(asked, begun)  # a converter may give the old reply to the new connection
            raise
        if isinstance(reply, Fault):
            if not reply.code:
                ghosts.given_up(asked, begun)
            elif ghosts.doubts(asked):
                ghosts.given_up(asked, begun)
                return Fault(UNSURE, reply.at)
            return reply
        ghosts.clear()
        tells = reply.seconds if asked is request else 0.0
        return Answer(reply.data[2 : 2 + request.reply_bytes], reply.at, tells)

    async def _quarantine(self, lane: int, ghosts: Ghosts) -> None:
        """Leave a unit in peace for longer than its slowest reply; others may go on."""
        until = ghosts.newest + max(_PEACE, 2 * self.patience.ceiling)
        if (rest := until - self._clock.boot()) > 0:
            self.figures.quarantined()
            self._peace[lane] = until
            self._turns.give()
            try:
                await self._clock.sleep(rest)
            finally:
                await self._turns.take(0.0)
        self._frames.give_up()
        ghosts.clear()

    async def _exchange(self, question: Question, limit: float | None) -> Answer | Fault:
        """Send and wait; give the whole reply from its function code on."""
        patience, unit = self.patience, question.unit
        line = self.way.character * (OVERHEAD + question.size)
        if not limit:
            limit = patience.of(unit, line) if limit is None else patience.brief(unit, line)
        _, sent, reply = await self._speak(question, limit)
        assert not isinstance(reply, tuple)
        return self._judged(unit, reply, sent, line)

    async def _speak(
        self, question: Question, limit: float, more: float = 0.0
    ) -> tuple[Session, float, bytes | Later | None]:
        """Send and wait; give the connection, when it was sent, and what came of it."""
        session, unit = self._session, question.unit
        if session is None or session.ended:
            session = await self._open()
        if self.way.quiet or question.manners.gap:
            await self._rest(session, question)
        frames, clock = self._frames, self._clock
        sent = clock.boot()
        try:
            return session, sent, await session.exchange(frames.ask(question), limit, more)
        except LinkLostError:
            self.close()
            raise
        finally:
            now = clock.boot()
            self._rested[unit] = now
            self.figures.asked(now, now - sent)

    def _judged(self, unit: int, body: bytes | None, sent: float, line: float = 0.0) -> Answer | Fault:
        """Say what became of a question that had its turn to the end."""
        now = self._clock.boot()
        seconds = now - sent
        if body is None:
            half, bad = self._frames.half, self._frames.give_up()
            if self._frames.numbered and half and not self.way.lasting:
                self.close()  # it hangs in the middle of a frame
            return self._missed(unit, now, seconds, "bad_reply" if bad else "no_reply")
        if self._waiting and seconds > self.patience.brief(unit, floor=_MOMENT):
            self._waiting.charge(sent, now)
        self.patience.answered(unit, seconds - line)
        return self._answered(body, now, seconds)

    def _answered(self, body: bytes, now: float, seconds: float) -> Answer | Fault:
        self._heard = now
        self._note_strays(now)
        code = body[1] if body[0] & 0x80 else 0
        self.figures.answered(seconds, code)
        return Fault(why(code), now, code, seconds) if code else Answer(body, now, seconds + self.way.quiet)

    def _missed(self, unit: int, now: float, seconds: float, word: str = "no_reply") -> Fault:
        """Note a timeout; leave a connection on which nobody has spoken for long."""
        self.patience.missed(unit)
        self.figures.timed_out()
        self._note_strays(now)
        if not self.way.lasting and now - self._heard > max(_HEARD, 3 * self.patience.ceiling):
            self.close()
        return Fault(word, now, 0, seconds)

    async def _rest(self, session: Session, question: Question) -> None:
        """Wait for the silence that the line and the unit need before a request."""
        loop = asyncio.get_running_loop()
        rested = self._rested.get(question.unit, 0.0) + question.manners.gap - self._clock.boot()
        while (left := max(session.heard + self.way.quiet - loop.time(), rested)) > 0:
            await self._clock.sleep(left)
            rested = 0.0

    def _note_strays(self, now: float, most: int = _STRANGERS - 1) -> None:
        """Count what was no reply, and stop where another master speaks: two would spoil each other."""
        tally = self._frames.tally
        self.figures.dropped(tally)
        if tally.foreign <= self._strangers:
            self._strangers_since = now
            return
        if now - self._strangers_since > _ACCIDENT:
            self._strangers, self._strangers_since = tally.foreign, now
        elif (seen := tally.foreign - self._strangers) > most:
            self._strangers = tally.foreign
            self.close()
            raise LinkLostError(
                f"another master speaks on {self.way.where} ({seen} frames were not ours): "
                "a serial line can have only one; take the other off, or read through it"
            )

    async def _open(self) -> Session:
        self.close()
        self._session = session = await self.way.open(
            lambda: Session(self._frames, self.way.where, self._ended)
        )
        self.figures.connected(up=True)
        self._heard = self._clock.boot()
        await self._clock.sleep(self._connect_delay)
        if session.ended:
            raise LinkLostError(f"{session.ended} before anything was asked")
        return session

    def _ended(self, session: Session, error: OSError | None) -> None:
        self._ending = session.ended
        self.figures.connected(up=False)
        if error is not None and error.errno in _UNREACHABLE:
            self._ending = session.ended = f"{self.way.where} is out of reach: {reason(error)}"
            self._lost.set()
        if self.way.lasting:
            self._lost.set()
