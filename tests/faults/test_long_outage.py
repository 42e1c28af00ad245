"""The broker is away for three days and the outbox is small: memory and file stay bounded, losses are told.

Three simulated days on virtual time; everything between the meter and the broker is the product's own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agent.core.clock import Clock
from agent.core.driver import Desk
from agent.core.plan import Link, OutboxPlan
from agent.core.point import Point
from agent.core.sample import Emit, Sample
from agent.core.ticks import ticks
from agent.outbox.ledger import verify
from pipelines.window import Window
from tests.agent.small_site import MeterLine, Site, link, plan, product
from tests.virtual import VirtualClock

DAY = 86400.0
CAP = 3_000_000  # three days of this site would need 7 MB
MOST_GROWTH = 8_000_000


class WideLine(MeterLine):
    """A link to a building with forty gauges, polled twice a minute."""

    def points(self) -> Sequence[Point]:
        """Give the forty points."""
        return tuple(Point(name=f"ahu.temperature_{n}", unit="Cel", every=30.0) for n in range(40))

    async def run(self, emit: Emit, clock: Clock, desk: Desk) -> None:
        """Poll for ever; nobody asks anything."""
        del desk
        async for _ in ticks(clock, 30.0):
            now = clock.boot()
            emit([Sample(f"ahu.temperature_{n}", 20.0 + n / 10, now) for n in range(40)])


async def test_three_days_without_a_broker_cost_neither_memory_nor_an_undeclared_window(
    tmp_path: Path, virtual: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, virtual, monkeypatch)
    building = Link(name="hall", kind="meter-line", driver=WideLine(name="hall"))
    step = Window(length="1m", statistics=("mean", "min", "max"))
    points = tuple(building.driver.points())
    wide = replace(
        product("energy", link("hall")),
        points=points,
        published=points,
        steps=(step,),
        statistics=step.statistics,
    )
    site.plan = replace(plan(), links=(building,), products=(wide,), outbox=OutboxPlan(cap=CAP))
    site.city.away = True
    async with site.running():
        await virtual.sleep(DAY / 12)  # everything that is made once has been made
        before = resident()
        await virtual.sleep(3 * DAY)
        grown = resident() - before
        size = bytes_of(tmp_path / "outbox.db")
        waiting = site.gateway.outbox.queue("city")
        site.city.away = False
        await virtual.sleep(3600)
        assert site.gateway.outbox.queue("city").n == 0
    assert grown < MOST_GROWTH, f"memory grew by {grown} bytes"
    assert size <= CAP
    assert waiting.n > 500
    books = Calendar(site.city.rows)
    assert books.twice == []
    assert books.undeclared() == []
    assert books.lost, "the cap was never met, so the test shows nothing"
    assert all(minute % 60 == 0 for span in books.spans() for minute in span), "gaps lie on the borders"
    assert max(books.lost) < min(books.waited()), "the oldest go first"
    assert verify(tmp_path / "outbox.db").faults == ()


class Calendar:
    """Which minutes came, and which a gap declares."""

    def __init__(self, rows: Sequence[Any]) -> None:
        bodies = [json.loads(row.body) for row in rows]
        self.came = [stamp(body["t"]) for body in bodies if body["k"] == "batch"]
        self.gaps = [lost for body in bodies if body["k"] == "gap" for lost in body["lost"]]
        self.twice = sorted({minute for minute in self.came if self.came.count(minute) > 1})
        seen = set(self.came)
        calendar = range(min(self.came + self._declared_minutes()), max(self.came), 60)
        self.lost = [minute for minute in calendar if minute not in seen]

    def undeclared(self) -> list[int]:
        """List the minutes that neither came nor are covered by a gap."""
        return sorted(set(self.lost) - set(self._declared_minutes()))

    def waited(self) -> list[int]:
        """List the minutes that came although the broker had been away."""
        return [minute for minute in self.came if minute > min(self._declared_minutes())]

    def spans(self) -> list[tuple[int, int]]:
        """Give from when to when each gap tells."""
        return [(stamp(lost["t"][0]), stamp(lost["t"][1])) for lost in self.gaps if lost["t"]]

    def _declared_minutes(self) -> list[int]:
        return [minute for begin, end in self.spans() for minute in range(begin, end, 60)]


def stamp(text: str) -> int:
    """Read a wire stamp as UTC seconds."""
    return int(datetime.fromisoformat(text).timestamp())


def resident() -> int:
    """Give this process' resident memory in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def bytes_of(path: Path) -> int:
    """Give the size of a file."""
    return path.stat().st_size
