"""The forecast of disk use is that of the real outbox."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from agent.cli.volume import DAY, _aggregate, volumes
from agent.config.load import load
from agent.core.clock import SystemClock
from agent.gate import Gate
from agent.outbox.outbox import Outbox
from agent.registry import plugin

ROWS = 400


@pytest.mark.parametrize("points", [2, 40, 100])
async def test_a_cap_holds_as_many_windows_as_foretold(points: int, site: Path, tmp_path: Path) -> None:
    plan = load(site)
    one = plan.products[0]
    many = tuple(replace(one.published[0], name=f"main-meter.point_{number}") for number in range(points))
    product = replace(one, points=many, published=many)
    endless = tuple(replace(one, keep=1e12) for one in plan.routes)  # or it would end before the cap does
    plan = replace(plan, products=(product,), routes=endless)
    clock = SystemClock()
    folder = tmp_path / "state"
    folder.mkdir()
    outbox = await Outbox.open(folder, cap=plan.outbox.cap, keep=DAY, clock=clock, boxed=False)
    outbox.configure(plan, {"city": plugin("encoding", "native")(plan.place)})
    gate = Gate(plan.products, plan.routes, ZoneInfo(plan.timezone))
    empty = pages(folder / "outbox.db")
    for number in range(ROWS):
        figures = [_aggregate(product, point) for point in many]
        shifted = [replace(figure, start=figure.start + 900 * number) for figure in figures]
        for cleared in gate.clear(product.id, shifted, clock.now()):
            outbox.put(cleared)
        await outbox.flush()
    await outbox.close()
    each = (pages(folder / "outbox.db") - empty) * 4096 / ROWS
    [found] = volumes(plan)
    assert found.held is not None
    assert found.held == pytest.approx(0.9 * plan.outbox.cap / each * product.window, rel=0.25)


def pages(file: Path) -> int:
    db = sqlite3.connect(file)
    try:
        total, free = (
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count")
        )
    finally:
        db.close()
    return int(total) - int(free)
