"""What one recipient has had already, for a replay: its own rows, as long as they may still leave.

Nothing is made anew: the same bytes with the same number. It refuses what the recipient never had, what went
to another address, what left under a grant that has ended since, and what its retention forbids.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from agent.core.command import Answer, Stretch, Wanted
from agent.outbox.feed import LEAST_LIFE
from agent.outbox.keeper import Keeper
from agent.outbox.lane import Lane
from agent.outbox.row import Row
from agent.outbox.work import Found


class Page(Struct, frozen=True, kw_only=True):
    """A piece of a replay: rows to send, numbers that are gone or still wait, the number to go on from."""

    rows: tuple[Row, ...] = ()
    gone: tuple[Stretch, ...] = ()
    waits: tuple[Stretch, ...] = ()
    next: int


class Again:
    """One recipient's look back into the outbox."""

    def __init__(self, recipient: str, keeper: Keeper) -> None:
        self.recipient = recipient
        self._keeper = keeper
        self._books = keeper.books
        self._key = f"~again/{recipient}"  # no product is called so

    async def page(self, wanted: Wanted, most: int) -> Page | None:
        """Read up to *most* rows of *wanted*; None while the disk fails."""
        lane = self._books.lanes.get(f"{self.recipient}.{wanted.product}")
        if lane is None:
            return Page(gone=((wanted.first, wanted.last),), next=wanted.last + 1)
        known = self._known(lane, wanted)
        found = await self._keeper.numbered(lane, (wanted.epoch, wanted.first), most)
        if found is None:
            return None
        mine = [one for one in found if one.epoch == wanted.epoch and one.seq <= wanted.last]
        rows: list[Row] = []
        gone: list[Stretch] = []
        waits: list[Stretch] = []
        at = wanted.first
        for one in mine:
            gone += _between(at, one.seq - 1)
            at = one.seq + 1
            if one.id not in lane.acked:
                waits.append((one.seq, one.seq))
            elif (row := self._repeated(lane, one)) is not None:
                rows.append(row)
            else:
                gone.append((one.seq, one.seq))
        if len(mine) < most:  # else there may be more
            gone += _between(at, min(known, wanted.last))
            waits += _between(max(at, known + 1), wanted.last)
            at = wanted.last + 1
        return Page(rows=tuple(rows), gone=joined(gone), waits=joined(waits), next=at)

    def answer(self, answer: Answer) -> None:
        """Tell the recipient what became of its command; that is a row of the ledger too."""
        self._books.answer(self.recipient, answer)
        self._keeper.wake()

    def save(self, state: object) -> None:
        """Keep with the next commit what is still to be sent again."""
        self._books.kept.save(self._key, state)

    def saved(self) -> Any:  # noqa: ANN401 - plain JSON values
        """Give what was kept; None if there is nothing."""
        return self._books.kept.saved(self._key)

    def _known(self, lane: Lane, wanted: Wanted) -> int:
        """Give the last number that a row should be there for; those of this run beyond it are to come.

        It is asked before the disk is, so that what comes to the disk meanwhile is not missed.
        """
        if wanted.epoch != self._books.epoch:
            return wanted.last
        if lane.epoch != wanted.epoch:
            return 0
        return lane.seq - sum(one.route == lane.number for one in self._books.pending)

    def _repeated(self, lane: Lane, found: Found) -> Row | None:
        """Give a row that was delivered, if it may still leave."""
        now = self._keeper.clock.now().utc
        if not lane.granted or lane.erasing or lane.ends <= now or found.body is None:
            return None
        expires = self._keeper.expiry(lane, found)
        if expires < now + LEAST_LIFE:
            return None
        return lane.row(found, expires)


def _between(first: int, last: int) -> list[Stretch]:
    return [(first, last)] if first <= last else []


def joined(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Join neighbours, and what overlaps."""
    made: list[Stretch] = []
    for first, last in sorted(stretches):
        if made and made[-1][1] + 1 >= first:
            made[-1] = (made[-1][0], max(last, made[-1][1]))
        else:
            made.append((first, last))
    return tuple(made)
