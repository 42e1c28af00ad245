"""The file: one SQLite table of whole messages, one connection, one transaction at a time.

Everything here blocks; the port calls it. It refuses to grow beyond its cap, to lose a committed row, and
to shrink: no VACUUM and no truncating checkpoint, because blocks once owned work on a full disk.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from agent.core.catalogue.store import DISK_HAS_ROOM, EPOCH_NOT_KEPT, NOT_CLOSED
from agent.core.errors import OutboxError
from agent.outbox import chain, spent
from agent.outbox.columns import FRONT, MADE, ONE, columns_of, found_of, header_of
from agent.outbox.epochfile import read_epoch, write_epoch
from agent.outbox.merkle import Day
from agent.outbox.numbered import Pair, numbered
from agent.outbox.reserve import Reserve
from agent.outbox.row import Header
from agent.outbox.schema import INSERT, PAGE, UNREADABLE, connect
from agent.outbox.soundness import ChangedError, anchor_text, numbers_of, sound
from agent.outbox.work import Done, Drop, Found, Opening, Span, Work

log = logging.getLogger(__name__)
T = TypeVar("T")

DAYS_KEPT: Final = 400
_WAL_PAGES: Final = 1000
_CHECKED_WHOLE: Final = 64 << 20
_DAMAGES: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_SCHEMA)
_NEARLY_FULL: Final = 4 << 20


class DamagedError(OutboxError):
    """The file is not what was written; the next start salvages it."""


class FullError(OutboxError):
    """There is no room on the disk."""


class Store:
    """The open file. ``path`` is the database; beside it lie ``epoch`` and ``outbox.reserve``."""

    def __init__(self, path: Path, cap: int) -> None:
        self.path = path
        self._cap = max(64, cap // PAGE)
        # what the log may hold must always find room in the file, and the log itself too: twice its size
        self._log = min(_WAL_PAGES, max(16, self._cap // 8))
        self._reserve = Reserve(path.with_name("outbox.reserve"), 2 * self._log * PAGE + (1 << 16))
        self._tight = False  # until it is open, and the reserve is asked
        self._lock: int | None = None
        self._db: sqlite3.Connection | None = None
        self._link = chain.START
        self._anchor = (0, chain.START)  # until it is open
        self._tail = 0  # until it is open
        self._names: dict[int, str] = {}
        self._state_ids: dict[str, int] = {}

    @property
    def damage_mark(self) -> Path:
        """The file whose existence says that the database has to be salvaged."""
        return self.path.with_name("outbox.damaged")

    @property
    def most_pages(self) -> int:
        """The pages that the file may have."""
        return self._cap

    def open(self, new_lid: Callable[[], str]) -> Opening:
        """Open or make the file; raise DamagedError if it cannot be trusted, OutboxError if out of reach."""
        try:
            return self._guarded(lambda: self._open(new_lid))
        except DamagedError:
            raise
        except OutboxError:
            # without a free block not even the shared memory file can be made
            if not self._reserve.give(self._reserve.held):
                raise
            self.disconnect()
            return self._guarded(lambda: self._open(new_lid))

    def lock(self) -> None:
        """Make sure that no other gateway writes here; raise OutboxError if one does."""
        try:
            name = self.path.with_name("outbox.lock")
            self._lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._as_ours(error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutboxError(f"another gateway uses {self.path}; stop it first") from error

    def _open(self, new_lid: Callable[[], str]) -> Opening:
        db = self._db = connect(self.path)
        self._check()
        db.execute(f"PRAGMA wal_autocheckpoint={self._log}")
        self._tight = not self._reserve.fill()
        rows = db.execute("SELECT id, name, value FROM state").fetchall()
        self._state_ids = {name: number for number, name, _ in rows}
        state = {name: value for _, name, value in rows}
        self._names = dict(db.execute("SELECT number, name FROM route"))
        anchor, self._link, epoch = numbers_of(state)
        self._tail, self._anchor = anchor, (anchor, self._link)
        # the last row's link continues the chain; reading it also finds a cut-off end of the file
        for number, found in db.execute("SELECT id, link FROM row ORDER BY id DESC LIMIT 1"):
            self._tail, self._link = number, found
            sound(db, (number,), self._names, self._anchor)
        epoch = max(epoch, read_epoch(self.path.with_name("epoch")))
        self._set_limit()
        return Opening(
            lid=state.get("lid") or new_lid(),
            epoch=epoch,
            anchor=anchor,
            tail=self._tail,
            routes=dict(self._names),
            state=state,
            done=self._done(),
        )

    def _check(self) -> None:
        """After an unclean stop look at the whole file, unless it is so large that it would take minutes.

        What is overlooked is found when it is read, and salvaged at the next start.
        """
        db = self._connection
        clean = db.execute("SELECT value FROM state WHERE name='clean'").fetchone()
        if clean == ("1",) or self._pragma("page_count") * PAGE > _CHECKED_WHOLE:
            return
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise DamagedError(f"{self.path} is damaged: {found}")

    def note_epoch(self, epoch: int) -> None:
        """Keep *epoch* outside the database too; a full disk may refuse, then the database alone has it."""
        try:
            write_epoch(self.path.with_name("epoch"), epoch)
        except OSError as error:
            EPOCH_NOT_KEPT.tell(log, error)

    # -- writing ------------------------------------------------------------------------------------------

    def commit(self, work: Work) -> Done:
        """Do all of *work* in one transaction, if need be from the reserve; raise OutboxError if it fails."""
        while True:
            try:
                return self._guarded(lambda: self._commit(work))
            except FullError:
                if not self._disk_is_full():
                    raise
                self._tight = True
                if not self._guarded(self._reserve.give):
                    self._set_limit()
                    raise

    def wait_for_disk(self, wait: bool) -> None:
        """Let each commit wait until it is safe, or none: then all are, once one that waits has returned.

        In between the file is whole whatever happens, but its latest commits may be gone.
        """
        self._guarded(lambda: self._connection.execute(f"PRAGMA synchronous={'FULL' if wait else 'NORMAL'}"))

    def _commit(self, work: Work) -> Done:
        db = self._connection
        link = self._link
        # FAST leaves no bytes of a row where pages are split; ON also clears pages that fall free
        db.execute(f"PRAGMA secure_delete={'ON' if work.blank else 'FAST'}")
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO route VALUES(?,?)", work.routes.items())
        names = self._names | work.routes
        if work.drop:
            self._delete(work.drop)
        db.executemany("UPDATE row SET body=NULL WHERE id=?", [(number,) for number in work.blank])
        db.executemany("UPDATE row SET expires=? WHERE id=?", [(at, number) for number, at in work.expiry])
        spent.add(db, work.spent)
        for number, draft in enumerate(work.rows, self._tail + 1):
            values, link = columns_of(number, names[draft.route], draft, link)
            db.execute(INSERT, values)
        anchor = (work.drop.last, work.drop.link) if work.drop else self._anchor
        state = work.state | ({"anchor": anchor_text(*anchor)} if work.drop else {})
        state_ids = self._state_ids | {name: self._put_state(name, value) for name, value in state.items()}
        db.execute("COMMIT")
        self._names, self._link, self._state_ids, self._anchor = names, link, state_ids, anchor
        self._tail += len(work.rows)
        self._set_limit()
        return self._done()

    def _delete(self, drop: Drop) -> None:
        """Take the front off the table; what had been delivered lives on in the day's Merkle tree."""
        db = self._connection
        days: dict[tuple[int, str], list[Header]] = {}
        for header in drop.left:
            day = datetime.fromtimestamp(header.made, UTC).date().isoformat()
            days.setdefault((header.route, day), []).append(header)
        for (route, day), headers in days.items():
            found = db.execute("SELECT tree FROM day WHERE route=? AND day=?", (route, day)).fetchone()
            tree = msgspec.json.decode(found[0], type=Day) if found else Day()
            for header in headers:
                tree.add(header.epoch, header.seq, header.size or 0, header.digest)
            text = msgspec.json.encode(tree).decode()
            db.execute(
                "INSERT OR REPLACE INTO day VALUES(?,?,?,?,?,?)",
                (route, day, tree.n, tree.size, tree.root, text),
            )
        if drop.left:  # roots of every route: one that has ended shall not be remembered for longer
            newest = max(header.made for header in drop.left)
            oldest = datetime.fromtimestamp(newest - DAYS_KEPT * 86400.0, UTC).date().isoformat()
            db.execute("DELETE FROM day WHERE day<?", (oldest,))
            db.execute("DELETE FROM spent WHERE day<?", (oldest,))
        db.execute("DELETE FROM row WHERE id<=?", (drop.last,))

    def _put_state(self, name: str, value: str) -> int:
        db = self._connection
        if (number := self._state_ids.get(name)) is not None:
            db.execute("UPDATE state SET value=? WHERE id=?", (value, number))
            return number
        # inside a transaction that may yet fail: the table, not memory, knows what is there
        db.execute("DELETE FROM state WHERE name=?", (name,))
        cursor = db.execute("INSERT INTO state(name, value) VALUES(?,?)", (name, value))
        return int(cursor.lastrowid or 0)

    # -- reading ------------------------------------------------------------------------------------------

    def front(self, count: int, made: float | None = None) -> list[Header]:
        """Give the *count* oldest rows; none where *made* is given and no trusted one was made by then."""

        def read() -> list[Header]:
            db = self._connection
            if made is not None and db.execute(MADE, (count, made)).fetchone() is None:
                return []
            return [header_of(row) for row in db.execute(FRONT, (count,))]

        return self._guarded(read)

    def headers(self, spans: Sequence[Span], count: int) -> list[Header]:
        """Give up to *count* oldest rows of each of *spans*."""

        def read() -> list[Header]:
            found: list[Header] = []
            for span in spans:
                for number, before in self._ids(span, count, frozenset()):
                    found.append(header_of(self._connection.execute(ONE, (number,)).fetchone(), before))
            return found

        return self._guarded(read)

    def backlog(self, spans: Sequence[Span], count: int, avoid: frozenset[int]) -> list[Found]:
        """Give the *count* oldest rows of *spans* together, events before the rest, without *avoid*."""
        return self._guarded(lambda: self._backlog(spans, count, avoid))

    def _backlog(self, spans: Sequence[Span], count: int, avoid: frozenset[int]) -> list[Found]:
        chosen: dict[int, int] = {}
        for events in (True, False):
            heads: list[tuple[int, int]] = []
            for span in spans:
                if span.events is events:
                    heads += self._ids(span, count, avoid | chosen.keys())
            chosen.update(sorted(heads)[: count - len(chosen)])
        return self._sound(chosen)

    def numbered(self, route: int, since: int, number: Pair, count: int) -> list[Found]:
        """Give up to *count* rows of *route* after id *since*, from *number* (epoch, seq) on."""
        first = since + 1

        def read() -> list[Found]:
            span = (first, self._tail + 1)
            return self._sound(dict.fromkeys(numbered(self._connection, route, span, number, count), 0))

        return self._guarded(read)

    def _sound(self, chosen: Mapping[int, int]) -> list[Found]:
        """Read rows by their ids, which lead to the ids of their neighbours before; none that was changed."""
        rows = sound(self._connection, chosen.keys(), self._names, self._anchor)
        read = {row[0]: row for row in rows}
        return [found_of(row, before) for number, before in chosen.items() if (row := read.get(number))]

    def _ids(self, span: Span, count: int, avoid: Iterable[int]) -> list[tuple[int, int]]:
        """Give (id, before) of the oldest rows in a span; what is avoided still counts as a neighbour."""
        kind = " AND kind='event'" if span.events else ""
        query = f"SELECT id FROM row WHERE route=?{kind} AND id>? AND id<=? ORDER BY id"  # noqa: S608
        found: list[tuple[int, int]] = []
        for after, last in span.holes:
            before = after
            for (number,) in self._connection.execute(query, (span.route, after, last)):
                if number not in avoid:
                    # among events alone the neighbours are unknown
                    found.append((number, number - 1 if span.events else before))
                    if len(found) >= count:
                        return found
                before = number
        return found

    # -- keeping the file in shape ------------------------------------------------------------------------

    def breathe(self) -> Done:
        """Try to be whole again after a full disk; say how the file stands."""

        def look() -> Done:
            if self._tight and self._reserve.fill():
                self._tight = False
                DISK_HAS_ROOM.tell(log)
            self._set_limit()
            return self._done()

        return self._guarded(look)

    def reopen(self) -> None:
        """Open the same file again after errors of the disk; raise OutboxError if it is not well yet."""
        self.disconnect()

        def again() -> None:
            self._db = connect(self.path)
            self._db.execute(f"PRAGMA wal_autocheckpoint={self._log}")
            tail = self._db.execute("SELECT max(id) FROM row").fetchone()[0]
            if tail is not None and tail != self._tail:
                raise DamagedError("the outbox changed under the running gateway; restart it")

        self._guarded(again)

    def close(self) -> None:
        """Close the file; the log's blocks go back to the reserve."""
        self.abandon()
        self._reserve.fill()

    def abandon(self) -> None:
        """Let go of the file as it is."""
        self.disconnect()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def disconnect(self) -> None:
        """Close the connection and stay the one who may open it again."""
        if self._db is not None:
            try:
                self._db.close()
            except UNREADABLE as error:
                NOT_CLOSED.tell(log, error)
            self._db = None

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise OutboxError("the outbox is not open")
        return self._db

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def _set_limit(self) -> None:
        """On a full disk the pages that the file owns are all it gets."""
        limit = self._pragma("page_count") if self._tight else self._cap
        self._connection.execute(f"PRAGMA max_page_count={self._cap}")
        self._limit = min(limit, self._cap)

    def _done(self) -> Done:
        used = self._pragma("page_count") - self._pragma("freelist_count")
        return Done(tail=self._tail, used=used, limit=self._limit, link=self._link)

    def _disk_is_full(self) -> bool:
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize < _NEARLY_FULL

    def _guarded(self, function: Callable[[], T]) -> T:
        """Turn errors of SQLite and of the system into ours, leaving no transaction open."""
        try:
            return function()
        except (*UNREADABLE, OSError, ChangedError) as error:
            if self._db is not None and self._db.in_transaction:
                self._roll_back()
            raise self._as_ours(error) from error

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except UNREADABLE as error:
            log.debug("rollback: %s", error)

    def _as_ours(self, error: Exception) -> OutboxError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        # what SQLite cannot write to its shared memory file it calls an input/output error
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and self._disk_is_full()):
            return FullError(f"no room on the disk under {self.path}; free some space")
        if isinstance(error, ChangedError | UnicodeDecodeError) or code in _DAMAGES:
            return DamagedError(f"{self.path} is damaged ({error}); restart to salvage it")
        return OutboxError(f"the disk under {self.path} does not answer as it should: {error}")
