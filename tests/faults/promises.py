"""What a writer promised, and whether an outbox still keeps the promise."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from pathlib import Path

from agent.core.clock import SystemClock
from agent.outbox.outbox import Outbox
from agent.outbox.row import Row
from agent.outbox.verdict import verify
from tests.agent.outbox.scenes import PLAIN, covered, plan, route
from tests.faults.writer import ROUTES

Number = tuple[str, int, int]


class Writer:
    """The writing process and what it has said so far."""

    def __init__(self, folder: Path, cap: int, promised: Promises) -> None:
        self._promised = promised
        command = [sys.executable, "-m", "tests.faults.writer", str(folder), str(cap)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self._tail = b""

    def listen(self, *, lines: int, within: float = 30.0) -> None:
        """Read until *lines* more lines have come."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + within
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while lines > 0:
                assert self.process.poll() is None, "the writer died by itself"
                assert selector.select(max(0.0, deadline - time.monotonic())), "the writer fell silent"
                lines -= self.drain()

    def drain(self) -> int:
        """Read what is there; give the number of lines."""
        assert self.process.stdout is not None
        *lines, self._tail = (self._tail + (self.process.stdout.read() or b"")).split(b"\n")
        for line in lines:
            self._promised.note(line.decode())
        return len(lines)

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()
        self.drain()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Promises:
    """All messages handed out, and those acknowledged."""

    def __init__(self) -> None:
        self.made: set[Number] = set()
        self.delivered: set[Number] = set()

    def note(self, line: str) -> None:
        """Take in one line of the writer."""
        what, name, epoch, seq = line.split()
        (self.made if what == "P" else self.delivered).add((name, int(epoch), int(seq)))

    async def broken(self, folder: Path, cap: int) -> list[Number]:
        """Deliver all that the outbox in *folder* has; list what is neither delivered nor declared."""
        assert verify(folder / "outbox.db").faults == ()
        outbox = await Outbox.open(folder, cap=cap, keep=3600.0, clock=SystemClock())
        outbox.configure(plan(*(route(name) for name in ROUTES)), {"city": PLAIN, "lab": PLAIN})
        got: list[Row] = []
        await outbox.flush()
        for recipient in ("city", "lab"):
            feed = outbox.feed(recipient)
            while rows := await feed.take(20, 20, frozenset()):
                got += rows
                for row in rows:
                    feed.acked(row)
        await outbox.close()
        assert verify(folder / "outbox.db").faults == ()
        have = {(row.route, row.epoch, row.seq) for row in got} | self.delivered
        gaps = [row for row in got if row.kind == "gap"]
        return [one for one in sorted(self.made - have) if not covered(gaps, *one)]
