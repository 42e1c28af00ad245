"""Copies of a ledger to spoil: the site's own where that is quick, else a made-up one."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from msgspec import Struct

from agent.core.errors import OutboxError
from agent.outbox.schema import connect_reader
from agent.outbox.verdict import Verdict
from agent.prove import planted
from agent.prove.rehearsal import steady, written_by
from agent.prove.scene import Scene

_LARGE: Final = 32 << 20


class Book(Struct, frozen=True):
    """A ledger that may be copied, and what it is called."""

    path: Path
    what: str


def ledgers(scene: Scene) -> Book:
    """Give a copy of the site's ledger, or a made-up one where that holds no message or is large."""
    if scene.outbox.is_file() and scene.outbox.stat().st_size <= _LARGE:
        copy = scene.room() / scene.outbox.name
        with closing(connect_reader(scene.outbox)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        if _middle(copy) is not None:
            return Book(copy, "this site's ledger")
    plan = planted.modes(scene.parts)
    values = {point.name: 10.0 for product in plan.products for point in product.points}
    path = asyncio.run(written_by(plan, steady(values), scene.parts, scene.now, scene.room()))
    return Book(path, "a made-up ledger")


def own_faults(scene: Scene) -> list[str]:
    """Say what is wrong with the site's own ledger as it stands; nothing if there is none yet."""
    if not scene.outbox.is_file():
        return []
    return [f"This site's own ledger: {one}." for one in scene.parts.verify(scene.outbox).faults]


def spoiled(book: Book, scene: Scene, change: str) -> tuple[int, Verdict]:
    """Apply *change* to a row in the middle of a copy of *book*; give the row's number and the verdict."""
    copy = scene.room() / book.path.name
    shutil.copyfile(book.path, copy)
    number = _middle(copy)
    if number is None:
        raise OutboxError(f"{book.what} holds no message that could be altered")
    with closing(sqlite3.connect(copy)) as db, db:
        db.execute(change, (number,))
    return number, scene.parts.verify(copy)


def _middle(path: Path) -> int | None:
    """Give the number of a row with a body that has others before and behind it."""
    with closing(sqlite3.connect(path)) as db:
        found = [one for (one,) in db.execute("SELECT id FROM row WHERE length(body) > 0 ORDER BY id")]
    return int(found[len(found) // 2]) if len(found) > 2 else None
