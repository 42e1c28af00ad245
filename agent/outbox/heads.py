"""Compares the heads of the ledger that a broker kept with the ledger itself.

A head names a row and its link, signed. Whoever rewrites the ledger and recomputes every link after it cannot
rewrite what a broker holds. It refuses to take a head at its word: signature, ledger and link must fit.
"""

from __future__ import annotations

import base64
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from agent.core.ed25519 import verifies
from agent.core.errors import OutboxError
from agent.outbox.schema import UNREADABLE, connect_reader

_SIGNED: Final = re.compile(rb'^(\{.*),"sig":"([A-Za-z0-9+/=]*)"\}$')
_MOST_FAULTS: Final = 20


class Heads(Struct, frozen=True, kw_only=True):
    """What the comparison found.

    ``confirmed`` heads are rows of this ledger; the rows of ``older`` ones have left by retention, so only
    their signature could be judged. ``key`` is the public key that signed them, in Base64.
    """

    heads: int
    confirmed: int
    older: int
    key: str
    faults: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether no head speaks against the ledger, and at least one speaks for it."""
        return not self.faults and self.confirmed > 0


class _Head(Struct, frozen=True, kw_only=True):
    lid: str
    id: int
    hash: str
    t: str
    key: str = ""


def compare(path: Path, files: Iterable[Path], public: bytes | None = None) -> Heads:
    """Compare the heads in *files* with the outbox at *path*; *public*: the only key that may have signed.

    The files hold bodies, or lines of ``mosquitto_sub -v``. Raise OutboxError if one cannot be read.
    """
    lines = [one for file in files for one in _lines(file)]
    try:
        with closing(connect_reader(path)) as db:
            return _Comparison(db, public).run(lines)
    except UNREADABLE as error:
        raise OutboxError(f"{path} cannot be read: {error}") from error


class _Comparison:
    """One pass over the heads."""

    def __init__(self, db: sqlite3.Connection, public: bytes | None) -> None:
        self._db = db
        self._public = public
        state = dict(db.execute("SELECT name, value FROM state WHERE name IN ('lid', 'anchor')").fetchall())
        self._lid = state.get("lid", "")
        anchor = msgspec.json.decode(state.get("anchor", '[0,""]'), type=tuple[int, str])
        self._first, self._anchor = anchor
        tail = db.execute("SELECT max(id) FROM row").fetchone()[0]
        self._last = self._first if tail is None else tail

    def run(self, lines: list[tuple[str, bytes]]) -> Heads:
        """Judge every head."""
        confirmed = older = 0
        faults: list[str] = []
        for where, line in lines:
            try:
                is_there = self._judge(line)
            except ValueError as error:
                faults.append(f"{where}: {error}")
                continue
            confirmed += is_there
            older += not is_there
        return Heads(
            heads=len(lines),
            confirmed=confirmed,
            older=older,
            key=base64.b64encode(self._public or b"").decode(),
            faults=tuple(faults[:_MOST_FAULTS]),
        )

    def _judge(self, line: bytes) -> bool:
        """Say whether the head's row is still here and fits; raise ValueError with what speaks against it."""
        head = self._signed(line)
        if head.lid != self._lid:
            raise ValueError(f"this head is of ledger {head.lid}, not of {self._lid}: it was begun anew")
        if head.id > self._last:
            raise ValueError(
                f"row {head.id} was there at {head.t}, and the ledger ends at row {self._last}:"
                " rows have been taken away"
            )
        link = self._link(head.id)
        if link is None:
            return False
        if link != head.hash:
            raise ValueError(
                f"row {head.id} is not the one of {head.t}: the ledger was rewritten up to this row or before"
            )
        return True

    def _signed(self, line: bytes) -> _Head:
        found = _SIGNED.match(line)
        if found is None:
            raise ValueError("this is no head of a ledger")
        try:
            head = msgspec.json.decode(line, type=_Head)
            key = base64.b64decode(head.key, validate=True)
            signature = base64.b64decode(found[2], validate=True)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"this is no head of a ledger: {error}") from error
        self._public = self._public or key  # without a key from elsewhere all must at least have the same
        if key != self._public:
            raise ValueError("another key has signed this head")
        if not verifies(key, found[1] + b"}", signature):
            raise ValueError("the signature does not fit: somebody has changed this head")
        return head

    def _link(self, number: int) -> str | None:
        if number == self._first and self._anchor:
            return self._anchor
        row = self._db.execute("SELECT link FROM row WHERE id=?", (number,)).fetchone()
        return None if row is None else bytes(row[0]).hex()


def _lines(file: Path) -> Iterator[tuple[str, bytes]]:
    try:
        text = file.read_bytes()
    except OSError as error:
        raise OutboxError(f"{file} cannot be read: {error.strerror}") from error
    for number, line in enumerate(text.splitlines(), 1):
        body = line.strip()
        if not body.startswith(b"{"):
            body = body.partition(b" ")[2].strip()
        if b'"k":"head"' in body:
            yield f"{file.name}:{number}", body
