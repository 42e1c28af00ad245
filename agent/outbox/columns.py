"""Turns rows into the columns that SQLite takes, and back."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from agent.core.message import Loss
from agent.outbox import chain
from agent.outbox.row import Draft, Header, props_text
from agent.outbox.schema import HEADER
from agent.outbox.work import Found

FRONT: Final = f"SELECT {HEADER} FROM row ORDER BY id LIMIT ?"  # noqa: S608 - no outside text
MADE: Final = "SELECT 1 FROM (SELECT made, expires FROM row ORDER BY id LIMIT ?) WHERE made<=? AND expires>0"
ONE: Final = f"SELECT {HEADER} FROM row WHERE id=?"  # noqa: S608 - no outside text
_LOSSES: Final = msgspec.json.Decoder(tuple[Loss, ...])


def columns_of(number: int, route: str, draft: Draft, previous: bytes) -> tuple[tuple[object, ...], bytes]:
    """Give the columns of a new row in the order of ``INSERT``, and its link to the row before."""
    message = draft.message
    digest, props = chain.digest(message.body), props_text(message)
    head = (
        number, route, draft.epoch, draft.seq, message.kind, draft.made, draft.boot, draft.policy,
        message.topic, props,
    )  # fmt: skip
    link = chain.link(previous, head, digest)
    lost = msgspec.json.encode(draft.lost).decode() if draft.lost else None
    return (
        number, draft.route, draft.epoch, draft.seq, message.kind, draft.made, draft.boot, draft.expires,
        draft.policy, message.topic, props, draft.since, draft.until, lost, digest, link, message.body,
    ), link  # fmt: skip


def header_of(row: Any, before: int = 0) -> Header:  # noqa: ANN401 - a row as SQLite gives it
    """Read the columns of ``HEADER``; *before* is the id of its neighbour on the route."""
    *plain, lost = row
    return Header(*(*plain, _LOSSES.decode(lost) if lost else (), before))


def found_of(row: Any, before: int) -> Found:  # noqa: ANN401 - a row as SQLite gives it
    """Read the columns of ``SENT``."""
    return Found(*(*row, before))
