"""What was produced is delivered or declared, whatever happens in between."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from agent.core.message import Message
from agent.outbox.row import Row
from agent.outbox.verdict import verify
from tests.agent.outbox.scenes import Plain, World, covered, route

KEEP = 5 * 86400.0
ROUTES = ("city.energy", "city.people", "lab.energy")


class Noting(Plain):
    """Remembers every number that was ever given."""

    def __init__(self, recipient: str, numbers: set[tuple[str, int, int]]) -> None:
        self._recipient = recipient
        self._numbers = numbers

    def _message(self, product: str, epoch: int, seq: int, kind: str, what: object) -> Message:
        self._numbers.add((f"{self._recipient}.{product}", epoch, seq))
        return super()._message(product, epoch, seq, kind, what)


class Storm:
    """Random days in the life of an outbox; the same seed gives the same days."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.numbers: set[tuple[str, int, int]] = set()
        self.world = World(folder, cap=1 << 20, keep=86400.0)
        self.world.routes = tuple(route(name, keep=KEEP) for name in ROUTES)
        self.world.encodings = {name: Noting(name, self.numbers) for name in ("city", "lab")}
        self.taken: dict[str, list[Row]] = {"city": [], "lab": []}

    async def step(self) -> None:
        """Let one thing happen."""
        happenings = {
            self._produce: 45,
            self._commit: 15,
            self._take: 12,
            self._acknowledge: 12,
            self._disconnect: 4,
            self._keep_house: 4,
            self._pass_time: 2,
            self._withdraw: 2,
            self._stop: 1,
            self._crash: 1,
            self._grant: 2,
        }
        (what,) = self.random.choices(list(happenings), list(happenings.values()))
        await what(self.random.choice(("city", "lab")))

    async def _produce(self, _: str) -> None:
        for _one in range(self.random.randrange(1, 40)):
            self.world.window(self.random.choice(ROUTES), size=self.random.randrange(10, 3000))
            if self.random.random() < 0.1:
                self.world.event(self.random.choice(ROUTES))
        self.world.clock.turn(float(self.random.randrange(1, 600)))

    async def _commit(self, _: str) -> None:
        await self.world.outbox.flush()

    async def _take(self, recipient: str) -> None:
        skip = frozenset(self.random.sample(ROUTES, self.random.randrange(2)))
        live, backlog = self.random.randrange(20), self.random.randrange(20)
        self.taken[recipient] += await self.world.outbox.feed(recipient).take(live, backlog, skip)

    async def _acknowledge(self, recipient: str) -> None:
        rows = self.taken[recipient]
        self.random.shuffle(rows)
        for _ in range(self.random.randrange(len(rows) + 1)):
            row = rows.pop()
            self.world.got.append(row)
            self.world.outbox.feed(recipient).acked(row)

    async def _disconnect(self, recipient: str) -> None:
        feed = self.world.outbox.feed(recipient)
        feed.release(self.taken[recipient])
        self.taken[recipient] = []
        feed.online(self.random.random() < 0.7)

    async def _keep_house(self, _: str) -> None:
        await self.world.outbox._keeper.keep_house()

    async def _pass_time(self, _: str) -> None:
        self.world.clock.turn(self.random.choice((3600.0, 86400.0)))

    async def _withdraw(self, _: str) -> None:
        self.world.configure(*(route(name, keep=KEEP) for name in self.random.sample(ROUTES, 2)))

    async def _grant(self, _: str) -> None:
        self.world.configure(*(route(name, keep=KEEP) for name in ROUTES))

    async def _stop(self, _: str) -> None:
        await self._restart(clean=True)

    async def _crash(self, _: str) -> None:
        await self._restart(clean=False)

    async def _restart(self, *, clean: bool) -> None:
        if clean:
            await self.world.outbox.close()
        else:
            # what no recipient could ever hear of is declared by time, not by number
            self.world.crash()
            self.numbers = {one for one in self.numbers if one[1:] <= self._on_disk(one[0])}
        self.taken = {"city": [], "lab": []}
        await self.world.start()

    def _on_disk(self, name: str) -> tuple[int, int]:
        with closing(sqlite3.connect(self.world.folder / "outbox.db")) as db:
            found = db.execute("SELECT value FROM state WHERE name=?", (f"lane/{name}",)).fetchone()
        state = json.loads(found[0]) if found else {"epoch": 0, "seq": 0}
        return state["epoch"], state["seq"]

    async def settle(self) -> None:
        for recipient, rows in self.taken.items():
            self.world.outbox.feed(recipient).release(rows)
        self.world.configure(*(route(name, keep=KEEP) for name in ROUTES))
        for _ in range(3):
            await self.world.flush()
            for recipient in self.taken:
                await self.world.deliver(recipient=recipient)

    def missing(self) -> Sequence[tuple[str, int, int]]:
        return [one for one in sorted(self.numbers) if not covered(self.world.got, *one)]


@pytest.mark.parametrize("seed", range(12))
async def test_what_was_numbered_is_delivered_or_declared(tmp_path: Path, seed: int) -> None:
    storm = Storm(tmp_path, seed)
    await storm.world.start()
    for _ in range(250):
        await storm.step()
    await storm.settle()
    assert storm.missing() == []
    for recipient in storm.taken:
        queue = storm.world.outbox.queue(recipient)
        assert (queue.n, queue.bytes, queue.oldest) == (0, 0, None)
    assert verify(tmp_path / "outbox.db").faults == ()
    await storm.world.outbox.close()
    assert verify(tmp_path / "outbox.db").faults == ()
