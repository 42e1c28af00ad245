"""The ledger says which policy was in force from when, with its terms, and what was refused: in the chain."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.config.load import load
from agent.core.errors import ConfigError
from agent.core.message import Message
from agent.core.plan import Edition, Plan
from agent.outbox.account import page, past_days, shares
from agent.outbox.heads import compare
from agent.outbox.ledger import rows, verify
from agent.outbox.outbox import FILE
from agent.policy import chronicle, refusal
from agent.policy.history import faults, history
from tests.agent.outbox.scenes import World
from tests.agent.small_site import Site, plan
from tests.virtual import VirtualClock

LIBRARY = Path(__file__).parents[2] / "cases" / "policy" / "library"
SIGNED = Edition(city="vaasa", number=7, signer="dpo@vaasa.example", digest="a" * 64)
DAY = 86400.0


@pytest.fixture
def site(tmp_path: Path, virtual: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a small site that is not running yet."""
    return Site(tmp_path, virtual, monkeypatch)


def told(folder: Path) -> list[tuple[str, str]]:
    return [(one.policy, one.what) for one in history(folder / FILE)]


async def test_a_policy_that_comes_into_force_is_a_row_and_a_restart_is_none(site: Site) -> None:
    for _ in range(2):
        async with site.running():
            await site.clock.sleep(130)
    assert told(site.folder) == [("0123456789ab", "in force")]
    verdict = verify(site.folder / FILE)
    assert (verdict.holds, verdict.noted) == (True, 1)


async def test_the_row_of_a_policy_stands_before_everything_that_leaves_under_it(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(130)
        await site.reload(replace(plan(), policy="ffffffffffff"))
        await site.clock.sleep(130)
    in_force = ""
    for one in rows(site.folder / FILE):
        in_force = one.policy if one.kind == chronicle.KIND else in_force
        assert one.policy == in_force
    assert told(site.folder)[1] == ("ffffffffffff", "in force instead of 0123456789ab")


async def test_a_new_edition_of_the_same_policy_is_a_row_and_says_who_signed(site: Site) -> None:
    site.plan = replace(plan(), edition=SIGNED)
    async with site.running():
        await site.clock.sleep(10)
        await site.reload(replace(plan(), edition=replace(SIGNED, number=8, digest="b" * 64)))
        await site.clock.sleep(10)
    assert [what for _, what in told(site.folder)] == [
        "in force, number 7 signed by dpo@vaasa.example",
        "in force instead of 0123456789ab, number 8 signed by dpo@vaasa.example",
    ]


async def test_what_was_refused_is_a_row_once_and_names_the_first_fault(site: Site) -> None:
    fault = ConfigError("sharing.toml:3:1: not what dpo@vaasa.example signed\n |\n3 | keep = 1\n")
    async with site.running():
        await site.clock.sleep(10)
        for _ in range(3):
            await site.reload(fault)
        await site.reload(replace(plan(), policy="ffffffffffff"))
        await site.reload(fault)
    first = "refused, 0123456789ab stays: sharing.toml:3:1: not what dpo@vaasa.example signed"
    assert [what for _, what in told(site.folder)] == [
        "in force",
        first,
        "in force instead of 0123456789ab",
        first.replace("0123456789ab", "ffffffffffff"),
    ]
    assert "keep = 1" not in "".join(str(one.body) for one in rows(site.folder / FILE))


async def test_a_refused_start_is_a_row_of_the_next_gateway_that_starts(site: Site) -> None:
    refusal.keep(site.folder, "sharing.toml: not signed: there is no sharing.toml.sig beside it")
    for _ in range(2):
        async with site.running():
            await site.clock.sleep(10)
    assert [what for _, what in told(site.folder)] == [
        "in force",
        "refused, 0123456789ab stays: sharing.toml: not signed: there is no sharing.toml.sig beside it",
    ]


async def test_witnesses_are_told_the_head_when_the_row_is_part_of_it(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(130)
        assert site.outlets[0].heads == 1
        await site.reload(replace(plan(), policy="ffffffffffff"))
        await site.clock.sleep(3)
        assert site.outlets[0].heads == 2
        (row,) = [one.id for one in rows(site.folder / FILE) if one.policy == "ffffffffffff"][:1]
        assert site.gateway.outbox.head[0] >= row
        head = site.gateway._head("city")
        assert head is not None
    (site.folder / "heads").write_bytes(head.body)
    assert compare(site.folder / FILE, [site.folder / "heads"]).confirmed == 1


def test_the_number_of_a_policy_can_be_looked_up_in_its_row() -> None:
    compiled = load(LIBRARY, today=date(2027, 1, 1))
    note = chronicle.in_force(compiled, "", 0.0)
    assert note is not None
    entry = chronicle.read(note.message.body)
    assert hashlib.sha256(bytes(entry.terms)).hexdigest()[:12] == compiled.policy == entry.policy
    assert b'"rate":"96/d"' in bytes(entry.terms)
    assert b"credential:" not in note.message.body
    assert chronicle.in_force(compiled, note.mark, 1.0) is None


async def noted(folder: Path, compiled: Plan, days: int) -> World:
    """Make a ledger that begins with a policy and goes on for some days."""
    world = World(folder, keep=2 * DAY)
    await world.start()
    note = chronicle.in_force(compiled, world.outbox.mark, world.clock.utc)
    assert note is not None
    world.outbox.note(note.message, mark=note.mark, policy=note.policy)
    for _ in range(40 * days):
        world.clock.turn(DAY / 40)
        world.window()
        await world.flush()
        await world.deliver()
    await world.flush()
    return world


async def test_terms_that_are_not_those_of_the_policy_are_found(tmp_path: Path) -> None:
    compiled = load(LIBRARY, today=date(2027, 1, 1))
    world = await noted(tmp_path, replace(compiled, policy="0123456789ab"), 0)
    await world.outbox.close()
    assert verify(tmp_path / FILE).holds  # as written: only the text of the row itself speaks against it
    [fault] = faults(history(tmp_path / FILE))
    assert fault.startswith("row 2 tells of policy 0123456789ab: its terms are those of policy ")
    assert f"{compiled.policy}, not of 0123456789ab" in fault


async def test_a_row_that_is_no_row_about_the_policy_is_found_and_the_others_are_read(tmp_path: Path) -> None:
    world = await noted(tmp_path, load(LIBRARY, today=date(2027, 1, 1)), 0)
    strange = Message(topic="", body=b'{"v":1,"k":"policy","state":"in-force"}', kind=chronicle.KIND, qos=0)
    world.outbox.note(strange, mark=world.outbox.mark, policy="ffffffffffff")
    await world.outbox.close()
    found = history(tmp_path / FILE)
    assert [one.what for one in found][:1] == ["in force"]
    [fault] = faults(found)
    assert fault.startswith("row 3 tells of policy ffffffffffff: this is no row about a policy: ")
    assert verify(tmp_path / FILE).holds


def test_a_refusal_that_the_disk_does_not_take_stops_nobody(tmp_path: Path) -> None:
    refusal.keep(tmp_path / "gone", "sharing.toml: not signed")
    assert refusal.take(tmp_path / "gone") == ""
    refusal.keep(tmp_path, "sharing.toml: not signed")
    assert [refusal.take(tmp_path) for _ in range(2)] == ["sharing.toml: not signed", ""]


async def test_a_row_about_the_policy_leaves_by_retention_and_keeps_nothing_back(tmp_path: Path) -> None:
    world = await noted(tmp_path, load(LIBRARY, today=date(2027, 1, 1)), 4)
    assert history(tmp_path / FILE) == []
    verdict = verify(tmp_path / FILE)
    assert (verdict.holds, verdict.noted) == (True, 0)
    days = past_days(tmp_path / FILE)
    assert [(one.recipient, one.product, one.n) for one in days if not one.recipient] == [
        ("", "the policy", 1)
    ]
    await world.outbox.close()


async def test_it_is_nobodys_message(tmp_path: Path) -> None:
    world = await noted(tmp_path, load(LIBRARY, today=date(2027, 1, 1)), 1)
    assert {row.kind for row in world.got} == {"start", "batch"}
    found = list(rows(tmp_path / FILE))
    own = [(one.recipient, one.product, one.state) for one in found if one.kind == "policy"]
    assert own == [("", "", "noted")]
    assert {recipient for recipient, _, _ in shares(found)} == {"city"}
    assert world.outbox.queue("city").n == 0
    policies = [(one.at, one.policy, one.what) for one in history(tmp_path / FILE)]
    text = page("2026", shares(found), [], policies=policies)
    assert "## The policy" in text
    await world.outbox.close()


async def test_a_damaged_file_is_saved_with_its_rows_about_the_policy(tmp_path: Path) -> None:
    world = await noted(tmp_path, load(LIBRARY, today=date(2027, 1, 1)), 1)
    world.crash()
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("DELETE FROM state WHERE name LIKE 'lane/%'")
    (tmp_path / "outbox.damaged").write_text("found")
    await world.start()
    assert len(history(tmp_path / FILE)) == 1
    for _ in range(160):
        world.clock.turn(DAY / 40)
        world.window()
        await world.flush()
        await world.deliver()
    await world.flush()
    assert verify(tmp_path / FILE).holds
    assert history(tmp_path / FILE) == []
    await world.outbox.close()


async def test_a_row_that_memory_had_no_room_for_is_written_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = load(LIBRARY, today=date(2027, 1, 1))
    world = await noted(tmp_path, compiled, 0)
    mark = world.outbox.mark
    note = chronicle.in_force(replace(compiled, policy="ffffffffffff"), mark, world.clock.utc)
    assert note is not None
    world.outbox.note(note.message, mark=note.mark, policy=note.policy)
    monkeypatch.setattr("agent.outbox.books.MEMORY", 2000)  # as if the disk had taken nothing for long
    for _ in range(20):
        world.window(size=900)
    assert world.outbox.mark == ""
    await world.outbox.close()
    assert [one.policy for one in history(tmp_path / FILE)] == [compiled.policy]
