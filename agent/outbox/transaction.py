"""One transaction from drawing up to landing, and what rows that leave with it mean for their lanes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from agent.core.message import Loss
from agent.outbox.lane import OWN, Change, Lane
from agent.outbox.losses import merge
from agent.outbox.row import Draft, Header
from agent.outbox.work import Work

_MOST_OWED: Final = 256


class Transaction(Struct, kw_only=True):
    """One transaction from drawing up to landing: the work, and what it means here once it is safe.

    ``gives_up``: it declares losses that it causes itself, so only all of it may be tried again.
    """

    work: Work
    changes: dict[int, Change]
    lanes: list[Lane]
    unsaved: set[str]
    meta: dict[str, str]
    gives_up: bool


def lost(lane: Lane, row: Header | Draft, why: str) -> Loss:
    """Say that one message is lost, with the stretch of time that its windows span."""
    return Loss(
        why=why,
        epoch=row.epoch,
        first=row.seq,
        last=row.seq,
        count=1,
        begin=row.since,
        end=row.until,
    )


def owe(lane: Lane, losses: Sequence[Loss]) -> None:
    """Owe *losses* on a lane, in bounded memory."""
    lane.owed += losses
    if len(lane.owed) > _MOST_OWED:
        lane.owed = merge(lane.owed)


def header_of(number: int, draft: Draft, before: int) -> Header:
    """Give the header of a row that has just become safe; chain and digest are not needed here."""
    return Header(
        id=number,
        route=draft.route,
        epoch=draft.epoch,
        seq=draft.seq,
        kind=draft.message.kind,
        made=draft.made,
        boot=draft.boot,
        expires=draft.expires,
        size=len(draft.message.body),
        digest=b"",
        link=b"",
        since=draft.since,
        until=draft.until,
        lost=draft.lost,
        before=before,
    )


def leave(lane: Lane, header: Header, changes: dict[int, Change]) -> None:
    """Note that an unsettled row goes with the next transaction, and that nobody may take it any more."""
    lane.flight.pop(header.id, None)
    lane.leaving.add(header.id)
    change = changes.setdefault(header.route, Change())
    change.n -= 1
    change.size -= header.size or 0


def blank_out(
    lanes: Mapping[int, Lane], blank: Iterable[tuple[Header, str]], changes: dict[int, Change]
) -> None:
    """Settle rows whose bodies go before they were delivered, and owe them, each for its reason."""
    for header, why in blank:
        lane = lanes[header.route]
        lane.owed += [*header.lost, lost(lane, header, why)]
        leave(lane, header, changes)
        changes[header.route].settled.append((header.before + 1, header.id))


def come(lanes: Mapping[int, Lane], rows: Iterable[tuple[int, Draft]], changes: dict[int, Change]) -> None:
    """Count new rows by their ids; those that nobody is sent are settled at once."""
    for number, draft in rows:
        change = changes.setdefault(draft.route, Change())
        change.tail = number
        if lanes[draft.route].name == OWN:
            change.settled.append((1, number))
            continue
        change.n += 1
        change.size += len(draft.message.body)
        change.home = change.home or draft.unconfined
