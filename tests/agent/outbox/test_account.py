"""The account of a period says what left, to whom and under which policy, and what is kept of past days."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from agent.outbox.account import PastDay, page, past_days, shares, sheet
from agent.outbox.ledger import LedgerRow, rows
from agent.outbox.outbox import FILE
from agent.outbox.schema import connect
from agent.outbox.spent import Spent
from tests.agent.outbox.scenes import START, World, plan, route

DAY = 86400.0
EVENING = START  # 2026-11-21, 20:00 UTC


def shown(number: int, *, state: str = "delivered", body: bytes | None = b"12345") -> LedgerRow:
    """Give a message of the ledger; only delivered ones know when they end."""
    return LedgerRow(
        id=number, route="city.energy", recipient="city", product="energy", epoch=1, seq=number, kind="batch",
        state=state, made=EVENING + number, expires=EVENING + DAY if state == "delivered" else None,
        policy="p1", topic="t", content_type="text/plain", user=(), body=body, digest="ab", link="cd",
    )  # fmt: skip


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


def test_a_share_adds_up_what_became_of_its_messages_and_their_bytes() -> None:
    found = shares(
        [shown(3), shown(1, state="waiting"), *(shown(n, state="erased", body=None) for n in (2, 4))]
    )
    [(key, share)] = found.items()
    assert key == ("city", "energy", "p1")
    assert (share.messages, share.delivered, share.waiting, share.erased, share.size) == (4, 1, 1, 2, 10)
    assert (share.first, share.last) == (EVENING + 1, EVENING + 4)


def test_the_sheet_says_nothing_of_what_is_not_known() -> None:
    out = io.StringIO()
    sheet([shown(1), shown(2, state="erased", body=None)], out)
    whole, erased = csv.DictReader(io.StringIO(out.getvalue()))
    assert (whole["bytes"], whole["expires"]) == ("5", "2026-11-22T20:00:00Z")
    assert (erased["bytes"], erased["expires"]) == ("", "")


def test_a_period_has_the_days_that_it_touches(tmp_path: Path) -> None:
    db = connect(tmp_path / FILE)
    db.execute("INSERT INTO route VALUES(1, 'city.energy')")
    for day in ("2026-11-20", "2026-11-21", "2026-11-22"):
        db.execute("INSERT INTO day VALUES(1, ?, 3, 30, x'ab', '{}')", (day,))
    db.close()
    midnight = EVENING + 4 * 3600.0

    def days(since: float | None, until: float | None) -> list[str]:
        return [one.day[-2:] for one in past_days(tmp_path / FILE, since=since, until=until)]

    assert days(None, None) == ["20", "21", "22"]
    assert days(EVENING, None) == ["21", "22"]
    assert days(None, midnight) == ["20", "21"]
    assert days(None, midnight + 1.0) == ["20", "21", "22"]
    assert days(midnight - 1.0, EVENING + 1.0) == ["21"]


def test_each_table_of_the_page_has_a_cell_under_each_head() -> None:
    past = PastDay(recipient="city", product="energy", day="2026-11-20", n=3, size=30, root="ab")
    noise = Spent(
        day="2026-11-21",
        policy="p1",
        product="side",
        point="door.in",
        epsilon="1/2",
        sensitivity=2,
        releases=7,
    )
    text = page("2026-11", shares([shown(1)]), [past], policies=[(EVENING, "p1", "begun")], noise=[noise])
    blocks = [block.split("\n") for block in text.split("\n\n") if block.startswith("| ")]
    assert [len(block) for block in blocks] == [3, 3, 3, 3]
    for block in blocks:
        assert len({line.count(" | ") for line in block}) == 1
        assert set(block[1]) == {"|", " ", "-"}
