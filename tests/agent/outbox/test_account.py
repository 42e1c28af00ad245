"""The account of a period says what left, to whom and under which policy, and what is kept of past days."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from agent.outbox.account import page, past_days, shares, sheet
from agent.outbox.ledger import rows
from agent.outbox.outbox import FILE
from tests.agent.outbox.scenes import World, plan, route

DAY = 86400.0


async def filled(folder: Path) -> World:
    """Make a ledger with two policies, of which the last window is not delivered."""
    world = World(folder)
    world.routes = (route("city.energy"), route("lab.energy"))
    await world.start()
    for number in range(6):
        world.clock.turn(60.0)
        if number == 3:
            world.outbox.configure(plan(*world.routes, policy="ffffffffffff"), world.encodings)
        world.window()
        await world.outbox.flush()
        if number < 5:
            await world.deliver()
            await world.deliver(recipient="lab")
    await world.outbox.flush()
    return world


async def test_shares_are_told_by_recipient_product_and_policy(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    found = shares(rows(tmp_path / FILE))
    assert {key: (one.messages, one.delivered, one.waiting) for key, one in found.items()} == {
        ("city", "energy", "3b683cb786f6"): (4, 4, 0),
        ("city", "energy", "ffffffffffff"): (3, 2, 1),
        ("lab", "energy", "3b683cb786f6"): (1, 1, 0),
    }
    text = page("2026-11", found, [])
    assert "| city | energy | ffffffffffff |" in text
    await world.outbox.close()


async def test_the_sheet_has_a_row_for_each_message_and_its_hash(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    out = io.StringIO()
    count = sheet(rows(tmp_path / FILE, recipient="city"), out)
    lines = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert len(lines) == count == 7
    assert {one["recipient"] for one in lines} == {"city"}
    assert [one["sha256"] for one in lines] == [one.digest for one in rows(tmp_path / FILE, recipient="city")]
    assert lines[-1]["state"] == "waiting"
    await world.outbox.close()


async def test_a_period_without_messages_says_so(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    assert "No message of this period" in page("1999", shares(rows(tmp_path / FILE, until=1.0)), [])
    await world.outbox.close()


async def test_roots_outlive_their_rows_for_400_days_and_no_longer(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()

    async def hours(windows: int) -> None:
        for _ in range(windows):
            world.clock.turn(60.0)
            world.window()
            await world.outbox.flush()
            await world.deliver()

    await hours(70)
    world.clock.turn(world.keep + 3600.0)
    await world.flush()
    [old] = past_days(tmp_path / FILE)
    assert (old.recipient, old.product, old.n) == ("city", "energy", 71)
    assert old.root in page("2026", {}, [old])
    for days, is_kept in ((340.0, True), (31.0, False)):
        world.clock.turn(days * DAY)
        await hours(70)
        world.clock.turn(world.keep + 3600.0)
        await world.flush()
        assert (old in past_days(tmp_path / FILE)) is is_kept
    await world.outbox.close()


async def test_past_days_are_those_of_the_period_and_the_recipient(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    for _ in range(70):
        world.clock.turn(60.0)
        world.window()
        await world.outbox.flush()
        await world.deliver()
    begun = world.clock.utc
    world.clock.turn(world.keep + 3600.0)
    await world.flush()
    assert len(past_days(tmp_path / FILE, since=begun - DAY, until=begun + DAY, recipient="city")) == 1
    assert past_days(tmp_path / FILE, since=begun + DAY) == []
    assert past_days(tmp_path / FILE, recipient="lab") == []
    assert past_days(tmp_path / FILE, product="people") == []
    await world.outbox.close()
