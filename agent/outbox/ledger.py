"""Reads the outbox as the ledger that it is: what left, byte for byte, to whom, and whether it got there.

For commands, beside a running gateway or without one: everything opens the file read-only, in short read
transactions, because a long one would make the writer's log grow.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
from msgspec import Struct

from agent.core.errors import OutboxError
from agent.outbox.lane import OWN, LaneState
from agent.outbox.match import Match, match
from agent.outbox.ranges import Ranges
from agent.outbox.row import read_props
from agent.outbox.schema import UNREADABLE, connect_reader
from agent.outbox.verdict import Verdict, verify

__all__ = ["LedgerRow", "Match", "Verdict", "export", "match", "rows", "verify"]

_CHUNK: Final = 200
_COLUMNS: Final = (
    "row.id, name, epoch, seq, kind, made, expires, policy, topic, props, digest, link, body IS NULL, body"
)


class LedgerRow(Struct, frozen=True, kw_only=True):
    """One message of the ledger.

    ``state`` is delivered, waiting or erased (its retention or grant ended, or it was declared lost; the
    body is gone); what is sent to nobody is noted, and has neither recipient nor product. ``made``,
    ``expires``: UTC seconds. ``digest`` and ``link`` are in hex.
    """

    id: int
    route: str
    recipient: str
    product: str
    epoch: int
    seq: int
    kind: str
    state: str
    made: float
    expires: float | None
    policy: str
    topic: str
    content_type: str
    user: tuple[tuple[str, str], ...]
    body: bytes | None
    digest: str
    link: str


def rows(  # noqa: PLR0913 - each is a filter of its own
    path: Path,
    *,
    product: str | None = None,
    recipient: str | None = None,
    since: float | None = None,
    until: float | None = None,
    limit: int | None = None,
) -> Iterator[LedgerRow]:
    """Give the messages made from *since* until before *until* (UTC seconds), oldest first.

    *limit* keeps the newest so many. Raise OutboxError if the file cannot be read.
    """
    try:
        with closing(connect_reader(path)) as db:
            where, values = _filter(db, product, recipient, (since, until))
            after = 0
            if limit is not None:
                newest = f"SELECT row.id FROM row WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
                first = min((one for (one,) in db.execute(newest, (*values, limit))), default=0)
                after = first - 1
            query = (
                f"SELECT {_COLUMNS} FROM row JOIN route ON route = number "  # noqa: S608 - no outside text
                f"WHERE {where} AND row.id>? ORDER BY row.id LIMIT {_CHUNK}"
            )
            while chunk := db.execute(query, (*values, after)).fetchall():
                after = chunk[-1][0]
                acked = _acked(db)
                yield from (_row(one, acked) for one in chunk)
    except UNREADABLE as error:
        raise OutboxError(f"{path} cannot be read: {error}") from error


def saved(folder: Path, name: str) -> object | None:
    """Give what was kept as *name* in the outbox of *folder*; None if there is nothing, or no outbox."""
    path = folder / "outbox.db"
    if not path.is_file():
        return None
    try:
        with closing(connect_reader(path)) as db:
            found = db.execute("SELECT value FROM state WHERE name=?", (f"saved/{name}",)).fetchone()
        kept: object | None = msgspec.json.decode(found[0]) if found else None
    except (sqlite3.Error, ValueError) as error:
        raise OutboxError(f"{path} cannot be read: {error}") from error
    return kept


def export(  # noqa: PLR0913 - the filters of rows()
    path: Path,
    out: TextIO,
    *,
    product: str | None = None,
    recipient: str | None = None,
    since: float | None = None,
    until: float | None = None,
) -> int:
    """Write messages as JSON lines and give their number; a body that is no text is written in Base64."""
    count = 0
    for row in rows(path, product=product, recipient=recipient, since=since, until=until):
        line: dict[str, object] = {
            "row": row.id,
            "route": row.route,
            "epoch": row.epoch,
            "seq": row.seq,
            "kind": row.kind,
            "state": row.state,
            "made": datetime.fromtimestamp(row.made, UTC).isoformat(timespec="milliseconds"),
            "policy": row.policy,
            "topic": row.topic,
            "digest": row.digest,
            "link": row.link,
        }
        out.write(msgspec.json.encode(line | _body(row.body)).decode() + "\n")
        count += 1
    return count


def _body(body: bytes | None) -> dict[str, object]:
    if body is None:
        return {"body": None}
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _filter(
    db: sqlite3.Connection,
    product: str | None,
    recipient: str | None,
    times: tuple[float | None, float | None],
) -> tuple[str, tuple[float, ...]]:
    """Make the WHERE clause; it is built of numbers alone."""
    wanted = [
        str(int(number))
        for number, name in db.execute("SELECT number, name FROM route")
        if (product is None or name.partition(".")[2] == product)
        and (recipient is None or name.partition(".")[0] == recipient)
    ]
    clauses, values = [f"route IN ({','.join(wanted)})"], []
    for clause, value in zip(("made>=?", "made<?"), times, strict=True):
        if value is not None:
            clauses.append(clause)
            values.append(value)
    return " AND ".join(clauses), tuple(values)


def _acked(db: sqlite3.Connection) -> dict[str, Ranges]:
    states = db.execute("SELECT name, value FROM state WHERE name LIKE 'lane/%'").fetchall()
    return {name[5:]: Ranges(msgspec.json.decode(text, type=LaneState).acked) for name, text in states}


def _row(found: Any, acked: dict[str, Ranges]) -> LedgerRow:  # noqa: ANN401 - as SQLite gives it
    number, name, epoch, seq, kind, made, expires, policy, topic, props, digest, link, erased, body = found
    carried = read_props(props)
    recipient, _, product = name.partition(".")
    delivered = number in acked.get(name, Ranges())
    state = "erased" if erased else "delivered" if delivered else "waiting"
    return LedgerRow(
        id=number,
        route=name,
        recipient="" if name == OWN else recipient,
        product=product,
        epoch=epoch,
        seq=seq,
        kind=kind,
        state="noted" if name == OWN else state,
        made=made,
        expires=expires,
        policy=policy,
        topic=topic,
        content_type=carried.content_type,
        user=carried.user,
        body=body,
        digest=digest.hex(),
        link=link.hex(),
    )
