"""A process that writes to an outbox as fast as it can, and says what it promises and what was delivered.

Run: python -m tests.faults.writer FOLDER CAP. Each line on stdout is ``P route epoch seq`` once a message is
handed out (so it must be safe), or ``A route epoch seq`` once it is acknowledged.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC
from pathlib import Path

from agent.core.clock import SystemClock
from agent.core.record import Aggregate
from agent.gate import Gate
from agent.outbox.feed import Feed
from agent.outbox.outbox import Outbox
from agent.outbox.row import Row
from tests.agent.outbox.scenes import PLAIN, plan, product, route

ROUTES = ("city.energy", "city.people", "lab.energy")


async def write(folder: Path, cap: int) -> None:
    """Produce, commit, take and acknowledge until killed."""
    clock = SystemClock()
    outbox = await Outbox.open(folder, cap=cap, keep=3600.0, clock=clock)
    routes = tuple(route(name) for name in ROUTES)
    outbox.configure(plan(*routes), {"city": PLAIN, "lab": PLAIN})
    gate = Gate([product("energy"), product("people")], routes, UTC)
    feeds = [outbox.feed("city"), outbox.feed("lab")]
    feeds[0].online(True)
    turn = 0
    while True:
        turn += 1
        now = clock.now()
        for name in ("energy", "people"):
            figure = Aggregate("x" * (turn * 37 % 1500), now.utc - 60.0, 60.0, 60, (float(turn),))
            for cleared in gate.clear(name, [figure], now):
                outbox.put(cleared)
        outbox.save("energy", {"turn": turn})
        await outbox.flush()
        for feed in feeds:
            await _deliver(feed, turn)


async def _deliver(feed: Feed, turn: int) -> None:
    rows = await feed.take(10, 10, frozenset())
    _say("P", rows)
    done = [row for row in rows if (row.seq + turn) % 3]
    _say("A", done)
    for row in done:
        feed.acked(row)
    feed.release([row for row in rows if row not in done])


def _say(what: str, rows: list[Row]) -> None:
    lines = "".join(f"{what} {row.route} {row.epoch} {row.seq}\n" for row in rows)
    os.write(1, lines.encode())


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2])))
