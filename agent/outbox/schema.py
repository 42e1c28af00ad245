"""The tables of the outbox, and how a connection is set up for them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from agent.core.errors import OutboxError

PAGE: Final = 4096
UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
"""What is raised for a spoilt file: a message of SQLite that quotes garbled text cannot be decoded either."""
VERSION: Final = 2

# `row` holds the messages; body comes last, so that everything before it lies on the leaf page.
# `state` holds all that changes with every commit in one page: cursors, numbers, saved steps, clean flag.
# An index entry carries the row's id anyway: `row(route)` is an index on (route, id) at half the size.
TABLES: Final = """
CREATE TABLE row(
    id INTEGER PRIMARY KEY, route INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
    kind TEXT NOT NULL, made REAL NOT NULL, boot REAL NOT NULL, expires REAL, policy TEXT NOT NULL,
    topic TEXT NOT NULL, props TEXT NOT NULL, since REAL, until REAL, lost TEXT,
    digest BLOB NOT NULL, link BLOB NOT NULL,
    body BLOB) STRICT;
CREATE INDEX row_by_route ON row(route);
CREATE INDEX event_by_route ON row(route) WHERE kind = 'event';
CREATE TABLE route(number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE state(id INTEGER PRIMARY KEY, name TEXT NOT NULL, value TEXT NOT NULL) STRICT;
CREATE TABLE day(
    route INTEGER NOT NULL, day TEXT NOT NULL, n INTEGER NOT NULL, bytes INTEGER NOT NULL,
    root BLOB NOT NULL, tree TEXT NOT NULL, PRIMARY KEY(route, day)) STRICT, WITHOUT ROWID;
"""

# how often each count was released with noise; it stays as long as the roots of days
SPENT: Final = """
CREATE TABLE spent(
    day TEXT NOT NULL, policy TEXT NOT NULL, product TEXT NOT NULL, point TEXT NOT NULL,
    epsilon TEXT NOT NULL, sensitivity INTEGER NOT NULL, releases INTEGER NOT NULL,
    PRIMARY KEY(day, policy, product, point)) STRICT, WITHOUT ROWID;
"""

# what leads from form N to N + 1, at position N; a step that has been released is never changed
STEPS: Final = (TABLES, SPENT)

INSERT: Final = "INSERT INTO row VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
HEADER: Final = (
    "id, route, epoch, seq, kind, made, boot, expires, length(body), digest, link, since, until, lost"
)
SENT: Final = "id, route, epoch, seq, kind, made, boot, expires, policy, topic, props, body"


def connect(path: Path) -> sqlite3.Connection:
    """Open *path* for the one writer, making the tables if the file is new."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    db.execute(f"PRAGMA page_size={PAGE}")
    # rows are written once and read once: of SQLite's usual 2 MB of pages in memory nothing would come
    db.execute("PRAGMA cache_size=-512")
    db.execute("PRAGMA journal_mode=WAL")
    # the promise "committed means safe" hangs on this word (sqlite.org/pragma.html#pragma_synchronous)
    db.execute("PRAGMA synchronous=FULL")
    try:
        _bring_forward(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _bring_forward(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file, or those of an older release into ours; refuse a newer release's."""
    form = db.execute("PRAGMA user_version").fetchone()[0]
    if form > VERSION:
        raise OutboxError(
            f"{path} was written by a newer citygate (form {form}, this one knows {VERSION}): install that "
            f"release again, or move {path.parent} away to begin a new ledger"
        )
    for number in range(form, VERSION):
        db.executescript(f"BEGIN IMMEDIATE; {STEPS[number]} PRAGMA user_version={number + 1}; COMMIT;")


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open *path* for reading beside a running writer; raise OutboxError when there is none."""
    if not path.is_file():
        raise OutboxError(
            f"there is no outbox at {path}: no gateway has run yet, or its state lies elsewhere (--state DIR)"
        )
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10.0)
