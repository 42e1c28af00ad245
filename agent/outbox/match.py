"""Tells whether what a city kept is what left: by the rows themselves, or by the root of a past day.

It reads lines as ``ledger export`` writes them, as ``mosquitto_sub -v`` prints them (topic, blank, body),
or bare bodies. It refuses to guess: what it cannot place is listed as unknown.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from agent.core.errors import OutboxError
from agent.outbox.chain import digest
from agent.outbox.merkle import Day, root_of
from agent.outbox.schema import UNREADABLE, connect_reader

_CHUNK: Final = 1000
_MOST_LISTED: Final = 20


class DayMatch(Struct, frozen=True, kw_only=True):
    """A past day of one route: ``have`` of its ``n`` messages were shown; ``holds``: the root is the same."""

    route: str
    day: str
    n: int
    have: int
    holds: bool


class Match(Struct, frozen=True, kw_only=True):
    """What a comparison found.

    ``rows`` messages are in the table, ``proven`` by the root of a day that is no longer there; ``unknown``
    lists some of the ``strangers``, which cannot be confirmed. ``days`` are those that were touched.
    """

    messages: int
    rows: int
    proven: int
    strangers: int
    unknown: tuple[str, ...]
    days: tuple[DayMatch, ...]

    @property
    def holds(self) -> bool:
        """Whether every message shown is one that left."""
        return not self.strangers


class _Kept(Struct):
    """One message that somebody kept; ``hint`` is a route or a topic, whatever is known."""

    where: str
    hint: str
    epoch: int
    seq: int
    digest: bytes
    found: bool = False


class _Numbers(Struct):
    """The numbers in a native body."""

    e: int = 0
    s: int = 0


class _Line(Struct):
    """A line of an export."""

    route: str
    epoch: int
    seq: int
    body: str | None = None
    base64: str | None = None


def match(path: Path, files: Iterable[Path]) -> Match:
    """Compare the messages in *files* with the outbox at *path*; raise OutboxError if one cannot be read."""
    kept = [one for file in files for one in _read(file)]
    try:
        with closing(connect_reader(path)) as db:
            _find_rows(db, kept)
            in_table = sum(one.found for one in kept)
            days = _find_days(db, [one for one in kept if not one.found])
    except UNREADABLE as error:
        raise OutboxError(f"{path} cannot be read: {error}") from error
    unknown = [one for one in kept if not one.found]
    return Match(
        messages=len(kept),
        rows=in_table,
        proven=len(kept) - in_table - len(unknown),
        strangers=len(unknown),
        unknown=tuple(
            f"{one.where}: no message of this gateway has these bytes" for one in unknown[:_MOST_LISTED]
        ),
        days=tuple(days),
    )


def _read(file: Path) -> Iterator[_Kept]:
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if text := line.rstrip(b"\r\n"):
                    kept = _line(f"{file.name}:{number}", text)
                    if kept is not None:
                        yield kept
    except OSError as error:
        raise OutboxError(f"{file} cannot be read: {error.strerror}") from error


def _line(where: str, text: bytes) -> _Kept | None:
    """Read one line; None for an exported row whose body is erased: there is nothing to compare."""
    if text.startswith(b"{"):
        try:
            line = msgspec.json.decode(text, type=_Line)
            body = base64.b64decode(line.base64) if line.base64 is not None else (line.body or "").encode()
        except (ValueError, RecursionError):
            return _kept(where, "", text)
        if line.body is None and line.base64 is None:
            return None
        return _Kept(where, line.route, line.epoch, line.seq, digest(body))
    topic, _, body = text.partition(b" ")
    return _kept(where, topic.decode(errors="replace"), body)


def _kept(where: str, topic: str, body: bytes) -> _Kept:
    try:
        numbers = msgspec.json.decode(body, type=_Numbers)
    except (ValueError, RecursionError):
        numbers = _Numbers()
    return _Kept(where, topic, numbers.e, numbers.s, digest(body))


def _find_rows(db: sqlite3.Connection, kept: list[_Kept]) -> None:
    by_digest: dict[bytes, list[_Kept]] = {}
    for one in kept:
        by_digest.setdefault(one.digest, []).append(one)
    after = 0
    query = "SELECT id, digest FROM row WHERE id>? ORDER BY id LIMIT ?"
    while chunk := db.execute(query, (after, _CHUNK)).fetchall():
        after = chunk[-1][0]
        for _, found in chunk:
            for one in by_digest.get(found, ()):
                one.found = True


def _find_days(db: sqlite3.Connection, kept: list[_Kept]) -> list[DayMatch]:
    """Rebuild the tree of each past day from what was kept and compare the roots."""
    by_number: dict[tuple[int, int], list[_Kept]] = {}
    for one in kept:
        by_number.setdefault((one.epoch, one.seq), []).append(one)
    query = "SELECT name, day, n, root, tree FROM day JOIN route ON route = number ORDER BY name, day"
    found = (_day(row, by_number) for row in db.execute(query).fetchall())
    return [one for one in found if one is not None]


def _day(row: Any, by_number: dict[tuple[int, int], list[_Kept]]) -> DayMatch | None:  # noqa: ANN401 - from SQLite
    name, day, n, root, tree = row
    members = msgspec.json.decode(tree, type=Day).members
    wanted = [(epoch, seq) for epoch, first, last in members for seq in range(first, last + 1)]
    chosen = [one for number in wanted if (one := _choose(name, by_number.get(number, []))) is not None]
    if not chosen:
        return None
    holds = len(chosen) == n and root_of(one.digest for one in chosen) == root
    for one in chosen:
        one.found = one.found or holds
    return DayMatch(route=name, day=day, n=n, have=len(chosen), holds=holds)


def _choose(route: str, candidates: list[_Kept]) -> _Kept | None:
    """Pick the message that may belong to *route*: by its name, its product as a topic level, or unmarked."""
    product = route.partition(".")[2]
    for one in candidates:
        if one.hint in ("", route) or product in one.hint.split("/"):
            return one
    return None
