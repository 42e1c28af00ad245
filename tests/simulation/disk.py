"""A disk that fails, stalls, or loses power in the middle of a transaction.

It stands in the place of the outbox's port: every access to the file goes through it. What a cut of power
leaves is a copy of the files as they were. A transaction that was being written is torn: of the pages that
it adds to the log only some are there. Where SQLite does not wait for the disk (``synchronous`` below FULL)
the last transactions are gone as well, as they would be.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, TypeVar

from agent.core.errors import OutboxError
from agent.outbox.store import FullError, Store

T = TypeVar("T")

FILES: Final = ("outbox.db", "outbox.db-wal", "epoch", "outbox.reserve", "outbox.damaged", "edition")
MODES: Final = ("error", "full", "slow")
_FULL: Final = 2
_UNSYNCED: Final = 6  # transactions that a disk may still hold in its cache


class Disk:
    """The disk of one gateway over all its lives."""

    def __init__(self, rng: Random) -> None:
        self.mode = "well"
        self.commits = 0
        self.cut_at = 0  # the commit in whose middle power is cut; 0: none
        self.on_cut: Callable[[Path], None] = lambda _: None
        self.rng = rng
        self.folder = Path()
        self._due = 0.0
        self._older: deque[Path] = deque()

    def snapshot(self, to: Path, *, torn: bool = False, before: dict[str, int] | None = None) -> None:
        """Copy what is on the disk at this moment into the new folder *to*."""
        source = self._older.popleft() if self._older else self.folder
        self._older.clear()
        to.mkdir(parents=True)
        for name in FILES:
            if (source / name).exists():
                shutil.copyfile(source / name, to / name)
        for key in self.folder.glob("*.pem"):
            shutil.copyfile(key, to / key.name)
        if torn and before is not None:
            self._tear(to / "outbox.db-wal", before)

    def port(self) -> Port:
        """Make the way to it for a gateway that starts."""
        self._older.clear()
        self._due = 0.0
        return Port(self)

    def remember(self, store: Store) -> None:
        """Keep older states where the file does not wait for the disk."""
        db: sqlite3.Connection | None = store._db
        if db is None or db.execute("PRAGMA synchronous").fetchone()[0] >= _FULL:
            return
        kept = self.folder / f"cache{self.commits}"
        kept.mkdir()
        for name in FILES:
            if (self.folder / name).exists():
                shutil.copyfile(self.folder / name, kept / name)
        self._older.append(kept)
        while len(self._older) > _UNSYNCED:
            shutil.rmtree(self._older.popleft())

    def sizes(self) -> dict[str, int]:
        """Give the sizes of database and log."""
        found = ((name, self.folder / name) for name in ("outbox.db", "outbox.db-wal"))
        return {name: path.stat().st_size if path.exists() else 0 for name, path in found}

    def wait(self) -> float:
        """Give when a slow disk will have done what is asked now."""
        now = asyncio.get_running_loop().time()
        self._due = max(self._due, now) + self.rng.uniform(0.05, 4.0)
        return self._due

    def _tear(self, log: Path, before: dict[str, int]) -> None:
        if not log.exists():
            return
        least, most = before["outbox.db-wal"], log.stat().st_size
        if most > least:
            with log.open("r+b") as file:
                file.truncate(self.rng.randrange(least, most))
                if self.rng.random() < 0.5:  # the block under way holds anything
                    file.seek(0, 2)
                    file.write(self.rng.randbytes(self.rng.randrange(1, 600)))


class Port:
    """The outbox's way to the disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._waiting: deque[Callable[[], None]] = deque()

    def submit(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Do it now, or later, or fail."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._disk.mode == "slow" or self._waiting:
            self._waiting.append(partial(self._do, function, future))
            loop.call_at(self._disk.wait(), self._next)
        else:
            self._do(function, future)
        return future

    def close(self) -> None:
        """Do what still waits."""
        while self._waiting:
            self._waiting.popleft()()

    def _next(self) -> None:
        if self._waiting:
            self._waiting.popleft()()

    def _do(self, function: Callable[[], T], future: asyncio.Future[T]) -> None:
        if future.cancelled():
            future = asyncio.get_running_loop().create_future()
        name = getattr(getattr(function, "func", function), "__name__", "")
        if name in {"commit", "backlog"} and self._disk.mode in {"error", "full"}:
            kind = FullError if self._disk.mode == "full" else OutboxError
            future.set_exception(kind("disk I/O error"))
            future.exception()
            return
        if name == "commit" and self._cut_in(function):
            return  # whoever waits for it is no more
        try:
            future.set_result(function())
        except OutboxError as error:
            future.set_exception(error)
            future.exception()
        if name == "commit":
            self._disk.remember(function.func.__self__)  # type: ignore[attr-defined]

    def _cut_in(self, function: Callable[[], object]) -> bool:
        """Cut the power in the middle of this commit, if it is the one."""
        disk = self._disk
        disk.commits += 1
        if not disk.cut_at or disk.commits < disk.cut_at:
            return False
        disk.cut_at = 0
        before, after = disk.sizes(), disk.folder.with_name(f"{disk.folder.name}-cut")
        function()
        grown = disk.sizes()
        # a transaction whose log was copied into the file is not torn like this: take it as whole
        torn = grown["outbox.db"] == before["outbox.db"]
        disk.snapshot(after, torn=torn, before=before)
        disk.on_cut(after)
        return True
