"""The event loop's side of the outbox: numbers, pending messages, and what each lane is owed.

Plain bookkeeping without input or output: it draws up transactions and takes over their results. It keeps
nothing per message that is on disk, and only so much that is not: beyond that the oldest goes and is owed.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from agent.core.clock import Clock
from agent.core.command import ANSWERS, Answer, CanObey
from agent.core.message import Encoding, Head, Loss, Message, Previous
from agent.gate import Cleared
from agent.outbox.bounds import Bounds
from agent.outbox.kept import Kept
from agent.outbox.lane import DATA, OWN, OWN_KEEP, UNCONFINED, Change, Lane, LaneState, Terms
from agent.outbox.losses import merge, numberless, span
from agent.outbox.row import Draft, Header, Tale
from agent.outbox.schema import PAGE
from agent.outbox.spent import Key, spending
from agent.outbox.transaction import Transaction, blank_out, come, header_of, leave, lost, owe
from agent.outbox.work import Done, Drop, Opening, Work

log = logging.getLogger(__name__)

MEMORY: Final = 4 << 20
_SHARE: Final = 16
Landed = list[tuple[Lane, int, Draft, int]]
"""Rows that became safe: lane, id, draft, neighbour before."""


class Books:
    """All lanes of one outbox."""

    def __init__(self, opening: Opening, clock: Clock) -> None:
        self.clock = clock
        self.lid = opening.lid
        self.epoch = opening.epoch + 1
        self.policy = ""
        self.floor, self.tail = opening.anchor, opening.tail
        self.used, self.limit = opening.done.used, opening.done.limit
        self.link = opening.done.link
        self.lanes: dict[str, Lane] = {}
        self.of: dict[str, list[Lane]] = {}  # by recipient
        self.by_number: dict[int, Lane] = {}
        self.pending: deque[Draft] = deque()
        self.pending_size = 0
        self.failing = False
        self.kept, self._bounds = Kept(opening.state), Bounds(opening.state)
        self.spent: Counter[Key] = Counter()
        self.mark, self.noted = opening.state.get("noted", ""), 0
        self._salvaged = opening.state.get("salvaged") == "1"
        self._meta: dict[str, str] = {"lid": self.lid, "epoch": str(self.epoch), "clean": "0"}
        boot, first = msgspec.json.decode(opening.state.get("boot", '["",0]'), type=tuple[str, int])
        self.boot_from = first if boot == clock.boot_id else opening.tail + 1
        if boot != clock.boot_id:
            self._meta["boot"] = msgspec.json.encode((clock.boot_id, self.boot_from)).decode()
        for number, name in opening.routes.items():
            text = opening.state.get(f"lane/{name}", "{}")
            lane = self._add(Lane(number, name, msgspec.json.decode(text, type=LaneState), opening.tail))
            lane.stored = True
            lane.acked.add(1, opening.anchor)
            if name == OWN:
                lane.keep_for_nobody(self.tail)
        if opening.epoch:
            for lane in self.lanes.values():
                lane.note_end(clean=opening.state.get("clean") == "1")

    def _add(self, lane: Lane) -> Lane:
        self.lanes[lane.name] = self.by_number[lane.number] = lane
        self.of.setdefault(lane.recipient, []).append(lane)
        return lane

    # -- messages come in ---------------------------------------------------------------------------------

    def lane(self, name: str) -> Lane:
        """Give the lane of a route, making it if it is new."""
        if (known := self.lanes.get(name)) is not None:
            return known
        number = max(self.by_number, default=0) + 1
        return self._add(Lane(number, name, LaneState(), self.tail))

    def begin(self, lane: Lane) -> None:
        """Open this epoch on *lane* with a ``start`` message, once."""
        if lane.epoch == self.epoch or lane.encoding is None:
            return
        previous = Previous(epoch=lane.epoch, last=lane.seq, clean=lane.clean) if lane.epoch else None
        lane.epoch, lane.seq, lane.clean = self.epoch, self._first(lane), True
        opening = lane.encoding.start(lane.product, self._head(lane), previous)
        self._number(lane, [opening] if opening else [])

    def _first(self, lane: Lane) -> int:
        """Give the number to go on from: beyond those of a recipient that is gone and had this product.

        It may be the same city under another name, and ids do not tell the recipient.
        """
        gone = (x for x in self.lanes.values() if x.product == lane.product and x.encoding is None)
        return max((x.seq for x in gone if x.epoch == self.epoch), default=0)

    def put(self, cleared: Cleared) -> None:
        """Take what the gate cleared: number and encode it; a route without a grant takes nothing."""
        lane = self.lanes.get(cleared.route.id)
        if lane is None or lane.encoding is None or not lane.granted:
            log.debug("route %s is closed; its records are dropped", cleared.route.id)
            return
        self.begin(lane)
        synced = all(record.synced for record in cleared.records)
        messages = lane.encoding.batch(cleared.product, self._head(lane), cleared.records)
        begin, until = span(cleared.records)
        lane.reached(begin, until, synced=synced)
        if not synced:
            lane.unsynced = self.clock.boot_id
        self._number(lane, messages, tale=Tale(begin, until, synced, cleared.unconfined))
        self._trim()

    def answer(self, recipient: str, answer: Answer) -> None:
        """Tell *recipient* what became of its command: a message like any other, and a row of the ledger."""
        lane = self.lanes.get(f"{recipient}.{ANSWERS}")
        if lane is not None and isinstance(lane.encoding, CanObey):
            self.begin(lane)
            self._number(lane, [lane.encoding.answer(self._head(lane), answer)])

    def spend(self, cleared: Cleared) -> None:
        """Keep account of the noise in what the gate cleared, once for all routes."""
        self.spent += spending(cleared.product, cleared.records, self.policy)

    def note(self, message: Message, mark: str, policy: str) -> None:
        """Write down what anybody may look up and nobody is sent; *mark* stays with it, to know it again."""
        self.policy = policy
        lane = self.lane(OWN)
        if lane.epoch != self.epoch:
            lane.epoch, lane.seq, lane.keep = self.epoch, 0, OWN_KEEP
        self._number(lane, [message])
        self.mark = self._meta["noted"] = mark

    def tell_time(self, offset: float) -> None:
        """Tell what turns this boot's stamps into UTC, where stamps without it went out."""
        for lane in self.lanes.values():
            if lane.unsynced == self.clock.boot_id and lane.encoding is not None and not lane.told:
                self.begin(lane)
                dating = lane.encoding.time(lane.product, self._head(lane), offset)
                self._number(lane, [dating] if dating else [])
                lane.told = lane.dirty = True

    def lose(self, lane: Lane, why: str, begin: float, end: float) -> None:
        """Owe a stretch of time for which no message was ever numbered."""
        lane.owed.append(
            Loss(why=why, epoch=lane.epoch, first=lane.seq + 1, last=None, count=None, begin=begin, end=end)
        )
        lane.dirty = True

    def _number(
        self,
        lane: Lane,
        messages: Sequence[Message],
        lost: tuple[Loss, ...] = (),
        *,
        tale: Tale | None = None,
    ) -> None:
        now, tale = self.clock.now(), tale or Tale()
        trusted = tale.synced and now.synced
        for message in messages:
            lane.seq += 1
            ends = lane.ends if message.kind in DATA else float("inf")
            draft = Draft(
                route=lane.number,
                epoch=self.epoch,
                seq=lane.seq,
                message=message,
                policy=self.policy,
                made=now.utc,
                boot=now.boot,
                expires=min(now.utc + lane.keep, ends) if trusted else None,
                since=tale.since,
                until=tale.until,
                lost=lost,
                unconfined=tale.unconfined,
            )
            self.pending.append(draft)
            self.pending_size += draft.size
        lane.dirty = True

    def _head(self, lane: Lane) -> Head:
        most, boot = self._bounds.of(lane.recipient), self.clock.boot_id
        return Head(epoch=self.epoch, seq=lane.seq + 1, policy=self.policy, boot_id=boot, most=most)

    def bound(self, recipient: str, most: int) -> None:
        """Note the most bytes of a body for *recipient*; 0: any."""
        self._meta |= self._bounds.note(recipient, most)

    def _trim(self) -> None:
        """Keep memory bounded while the disk takes nothing: the oldest goes first."""
        most = min(MEMORY, self.limit * PAGE // _SHARE)
        while self.pending_size > most and len(self.pending) > 1:
            self.forget_pending(self.pending[0], "cap")

    def forget_pending(self, draft: Draft, why: str) -> None:
        """Give up a message that never reached the disk, and owe it."""
        self.pending.remove(draft)
        self.pending_size -= draft.size
        lane = self.by_number[draft.route]
        if lane.name == OWN:
            self.mark = self._meta["noted"] = ""  # so that it is said anew
        else:
            owe(lane, [*draft.lost, lost(lane, draft, why)])

    # -- transactions go out ------------------------------------------------------------------------------

    @property
    def urgent(self) -> bool:
        """Whether something waits that should be on disk within a second."""
        return bool(self.pending) or any(self._declarable(lane) for lane in self.lanes.values())

    @property
    def dirty(self) -> bool:
        """Whether anything at all waits."""
        return self.urgent or bool(self.kept.dirty or self._meta) or any(x.dirty for x in self.lanes.values())

    def _declarable(self, lane: Lane) -> bool:
        return bool(lane.owed) and lane.encoding is not None and not lane.erasing

    def draw(
        self,
        *,
        drop: Sequence[Header] = (),
        blank: Sequence[tuple[Header, str]] = (),
        expiry: Sequence[tuple[int, float]] = (),
        clean: bool = False,
    ) -> Transaction:
        """Draw up a transaction of everything that waits; losses it causes are declared in it."""
        changes: dict[int, Change] = {}
        left = self._plan_drop(drop, changes)
        blank_out(self.by_number, blank, changes)
        superseded: list[int] = []
        for lane in self.lanes.values():
            # while the disk fails what is owed stays in the lane's text: one gap will do for all of it
            if self._declarable(lane) and not self.failing:
                superseded += self._supersede(lane, changes)
                self._declare(lane)
        rows, self.pending, self.pending_size = tuple(self.pending), deque(), 0
        come(self.by_number, enumerate(rows, self.tail + 1), changes)
        for number in changes:
            self.by_number[number].dirty = True
        taken = [lane for lane in self.lanes.values() if lane.dirty]
        state = {f"lane/{x.name}": x.text(changes.get(x.number, Change())) for x in taken}
        unsaved = self.kept.take()
        state |= self.kept.texts(unsaved)
        state |= self._meta | ({"clean": "1"} if clean else {})
        work = Work(
            rows=rows,
            state=state,
            routes={x.number: x.name for x in taken if not x.stored},
            drop=Drop(last=drop[-1].id, link=drop[-1].link, left=tuple(left)) if drop else None,
            blank=(*(header.id for header, _ in blank), *superseded),
            expiry=tuple(expiry),
            spent=dict(self.spent),
        )
        transaction = Transaction(
            work=work,
            changes=changes,
            lanes=taken,
            unsaved=unsaved,
            meta=dict(self._meta),
            gives_up=bool(drop or blank),
        )
        for lane in taken:
            lane.dirty = False
        self.spent.clear()
        self._meta.clear()
        return transaction

    def _supersede(self, lane: Lane, changes: dict[int, Change]) -> list[int]:
        """Let the next gap message take over one that nobody has taken yet: a long outage needs only one."""
        gap, lane.standing = lane.standing, None
        if gap is None or not lane.wants(gap.id):
            return []
        lane.owed += [*gap.lost, lost(lane, gap, "cap")]
        leave(lane, gap, changes)
        changes[lane.number].settled.append((gap.before + 1, gap.id))
        return [gap.id]

    def _declare(self, lane: Lane) -> None:
        """Turn what is owed on *lane* into one ``gap`` message."""
        assert lane.encoding is not None
        self.begin(lane)
        losses = tuple(merge(lane.owed))
        self._number(lane, [lane.encoding.gap(lane.product, self._head(lane), losses)], losses)
        lane.owed = []

    def _plan_drop(self, headers: Sequence[Header], changes: dict[int, Change]) -> list[Header]:
        """Sort the front of the table into delivered and lost; a gap among the lost hands its losses on."""
        left: list[Header] = []
        for header in headers:
            lane = self.by_number.get(header.route)
            if lane is None or header.size is None:
                continue
            if header.id in lane.acked:
                left.append(header)
                continue
            # one that is under way may yet arrive: declared too much, never too little
            lane.owed += [*header.lost, lost(lane, header, "cap")]
            leave(lane, header, changes)
        return left

    def land(self, transaction: Transaction, done: Done) -> Landed:
        """Take over a transaction that is safe; give the rows that may now be sent."""
        for number, change in transaction.changes.items():
            self.by_number[number].land(change)
        landed: Landed = []
        rows = transaction.work.rows
        for number, draft in enumerate(rows, done.tail - len(rows) + 1):
            lane = self.by_number[draft.route]
            landed.append((lane, number, draft, lane.tail))
            if draft.lost:
                lane.standing = header_of(number, draft, lane.tail)
            lane.tail = number
            if lane.name == OWN:
                self.noted = number
            if lane.oldest is None:
                lane.oldest = draft.made
        for lane in transaction.lanes:
            lane.stored = True
        if transaction.work.drop:
            self.floor = transaction.work.drop.last
            for lane in self.lanes.values():
                lane.acked.add(1, self.floor)
        self.tail, self.used, self.limit = done.tail, done.used, done.limit
        self.link = done.link
        return landed

    def take_back(self, transaction: Transaction) -> None:
        """Keep what a failed transaction held, for the next one."""
        self.pending.extendleft(reversed(transaction.work.rows))
        self.pending_size += sum(draft.size for draft in transaction.work.rows)
        for lane in transaction.lanes:
            lane.dirty = True
        for number in transaction.changes:
            self.by_number[number].leaving.clear()
        self._forget_withdrawn()  # while it was under way, a grant may have ended
        self.kept.give_back(transaction.unsaved)
        self.spent.update(transaction.work.spent)
        self._meta = transaction.meta | self._meta
        self._trim()

    # -- the plan -----------------------------------------------------------------------------------------

    def open_lanes(
        self, terms: Mapping[str, Terms], encodings: Mapping[str, Encoding], near: Collection[str] = ()
    ) -> None:
        """Apply a plan: lanes with terms are open; the others are closed and what they hold is erased.

        *near* are the recipients on this computer: from others, what must stay here is taken back.
        """
        for name in terms:
            if self._salvaged and name not in self.lanes:
                # not even its name was left: whatever it held is gone
                self.lane(name).owed += numberless(1, self.epoch - 1)
            self.lane(name)
        if self._salvaged:
            self._salvaged, self._meta["salvaged"] = False, "0"
        for lane in self.lanes.values():
            lane.encoding, lane.near = encodings.get(lane.recipient), lane.recipient in near
            lane.in_order = lane.encoding is not None and lane.encoding.late == "in-order"
        for lane in self.lanes.values():
            was, lane.granted = lane.granted or lane.was_open, lane.name in terms
            lane.was_open = False
            if lane.granted:
                lane.open(terms[lane.name], self.tail, unbroken=was)
                if lane.product != ANSWERS:  # which begins when there is something to answer
                    self.begin(lane)
            elif was or lane.n:
                lane.dirty = lane.dirty or was
                lane.erasing = True
                lane.close_crash()
        self._forget_withdrawn()

    def _forget_withdrawn(self) -> None:
        """Give up what waits for the disk and must not leave any more: not granted, or not to go so far."""
        for draft in list(self.pending):
            lane = self.by_number[draft.route]
            if draft.message.kind in DATA and not lane.granted:
                self.forget_pending(draft, "ttl")
            elif draft.unconfined and not lane.near:
                self.forget_pending(draft, UNCONFINED)
