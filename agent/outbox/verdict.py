"""Recomputes the chain of an outbox and says where it is broken, beside a running writer or without one.

It trusts nothing in the file but the anchor: the link of the last row that has left.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from agent.core.errors import OutboxError
from agent.outbox import chain
from agent.outbox.lane import OWN
from agent.outbox.schema import UNREADABLE, connect_reader

CHUNK: Final = 1000
_MOST_FAULTS: Final = 20
_COLUMNS: Final = "id, route, epoch, seq, kind, made, boot, policy, topic, props, digest, link, body"


class Verdict(Struct, frozen=True, kw_only=True):
    """What a check of the chain found: ``faults`` are sentences that name rows; none means that it holds.

    ``erased`` bodies are those of ended grants and retentions; ``noted`` rows tell of the policy and went
    to nobody; ``head`` is the last link, in hex.
    """

    rows: int
    erased: int
    noted: int = 0
    first: int
    last: int
    lid: str
    epoch: int
    head: str
    faults: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every row is what was written."""
        return not self.faults


def verify(path: Path) -> Verdict:
    """Check the chain of the outbox file at *path*; raise OutboxError if it cannot be read at all."""
    try:
        db = connect_reader(path)
        try:
            return _Check(db).run()
        finally:
            db.close()
    except UNREADABLE as error:
        raise OutboxError(f"{path} cannot be read: {error}") from error


class _Check:
    """One walk over the table, in short read transactions so that the writer's log can be reused."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._faults: list[str] = []
        self._rows = self._erased = self._noted = self._first = self._last = 0
        self._link = chain.START

    def run(self) -> Verdict:
        for start, names, rows in self._chunks():
            if start is not None:
                self._last, self._link = start
            for row in rows:
                self._row(row, names)
        state = self._state()
        return Verdict(
            rows=self._rows,
            erased=self._erased,
            noted=self._noted,
            first=self._first,
            last=self._last,
            lid=state.get("lid", ""),
            epoch=int(state.get("epoch", "0")),
            head=self._link.hex(),
            faults=tuple(self._faults[:_MOST_FAULTS]),
        )

    def _state(self) -> dict[str, str]:
        query = "SELECT name, value FROM state WHERE name IN ('lid', 'epoch')"
        return dict(self._db.execute(query).fetchall())

    def _chunks(self) -> Iterator[tuple[tuple[int, bytes] | None, dict[int, str], list[Any]]]:
        """Give rows in order; where the walk has to begin (again), with the anchor."""
        while len(self._faults) < _MOST_FAULTS:
            start, names, broken = None, {}, None
            rows: list[Any] = []
            self._db.execute("BEGIN")
            try:
                anchor, link = _anchor(self._db)
                names = dict(self._db.execute("SELECT number, name FROM route").fetchall())
                # what the writer has pruned under our feet is not missing
                start = (anchor, link) if anchor > self._last else None
                after = max(anchor, self._last)
                query = f"SELECT {_COLUMNS} FROM row WHERE id>? ORDER BY id LIMIT {CHUNK}"  # noqa: S608
                rows.extend(self._db.execute(query, (after,)))
            except UNREADABLE as error:
                broken = error
            finally:
                self._db.execute("ROLLBACK")
            yield start, names, rows
            if broken is not None:
                self._faults.append(f"after row {self._last} the file cannot be read: {broken}")
            if broken is not None or not rows:
                return

    def _row(self, row: Any, names: dict[int, str]) -> None:  # noqa: ANN401 - as SQLite gives it
        number, route, epoch, seq, kind, made, boot, policy, topic, props, digest, link, body = row
        name = names.get(route, "")
        if number != self._last + 1:
            self._faults.append(f"rows {self._last + 1} to {number - 1} are missing")
        head = (number, name, epoch, seq, kind, made, boot, policy, topic, props)
        if chain.link(self._link, head, digest) != link:
            what = _what(number, epoch, seq, name or str(route))
            self._faults.append(f"{what} is not the one that was written: its link does not fit")
        elif body is None:
            self._erased += 1
        elif chain.digest(body) != digest:
            what = _what(number, epoch, seq, name or str(route))
            self._faults.append(f"{what} has another body than was written")
        self._rows += 1
        self._noted += name == OWN
        self._first = self._first or number
        self._last, self._link = number, link


def _what(number: int, epoch: int, seq: int, route: str) -> str:
    return f"row {number} (message {epoch}/{seq} of {route})"


def _anchor(db: sqlite3.Connection) -> tuple[int, bytes]:
    found = db.execute("SELECT value FROM state WHERE name='anchor'").fetchone()
    if found is None:
        return 0, chain.START
    number, link = msgspec.json.decode(found[0], type=tuple[int, str])
    return number, bytes.fromhex(link) or chain.START
