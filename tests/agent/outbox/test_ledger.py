"""The ledger: what left can be shown, checked and matched, while the gateway runs and after it stopped."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.core.errors import OutboxError
from agent.outbox.ledger import export, match, rows, verify
from tests.agent.outbox.scenes import World, route

DB = "outbox.db"


async def filled(folder: Path, *, windows: int = 5, deliver: bool = True) -> World:
    world = World(folder)
    await world.start()
    for _ in range(windows):
        world.clock.turn(60.0)
        world.window()
    await world.flush()
    if deliver:
        await world.deliver()
        await world.flush()
    return world


def tamper(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement, values)


async def test_the_chain_holds_beside_a_running_writer(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    verdict = verify(tmp_path / DB)
    assert verdict.holds
    assert (verdict.rows, verdict.lid, verdict.epoch) == (6, "00000001", 1)
    await world.outbox.close()


async def test_one_flipped_byte_of_a_body_names_its_row(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    await world.outbox.close()
    body = next(iter(rows(tmp_path / DB, limit=3))).body
    assert body is not None
    tamper(tmp_path / DB, "UPDATE row SET body=? WHERE id=4", bytes([body[0] ^ 1]) + body[1:])
    (fault,) = verify(tmp_path / DB).faults
    assert fault == "row 4 (message 1/4 of city.energy) has another body than was written"


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE row SET topic='other' WHERE id=3", "row 3 (message 1/3 of city.energy) is not the one"),
        ("UPDATE row SET made=made+1 WHERE id=3", "row 3 (message 1/3 of city.energy) is not the one"),
        ("UPDATE route SET name='city.other'", "row 1 (message 1/1 of city.other) is not the one"),
        ("DELETE FROM row WHERE id=3", "rows 3 to 3 are missing"),
        ("DELETE FROM row WHERE id=1", "rows 1 to 1 are missing"),
    ],
)
async def test_whatever_was_changed_is_named(tmp_path: Path, statement: str, fault: str) -> None:
    world = await filled(tmp_path)
    await world.outbox.close()
    tamper(tmp_path / DB, statement)
    assert any(one.startswith(fault) for one in verify(tmp_path / DB).faults)


async def test_rows_are_shown_with_what_became_of_them(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    world.window()
    await world.flush()
    shown = list(rows(tmp_path / DB, recipient="city", product="energy"))
    assert [row.state for row in shown] == ["delivered"] * 6 + ["waiting"]
    assert [row.seq for row in rows(tmp_path / DB, limit=2)] == [6, 7]
    assert list(rows(tmp_path / DB, recipient="nobody")) == []
    since = shown[3].made
    assert [row.seq for row in rows(tmp_path / DB, since=since, until=since + 60.0)] == [4]
    await world.outbox.close()


async def test_an_export_matches_what_left(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    kept = tmp_path / "kept.jsonl"
    with kept.open("w") as out:
        assert export(tmp_path / DB, out) == 6
    found = match(tmp_path / DB, [kept])
    assert (found.holds, found.messages, found.rows) == (True, 6, 6)
    kept.write_text(kept.read_text().replace("xxx", "xxy"))
    found = match(tmp_path / DB, [kept])
    assert not found.holds
    assert found.unknown[0] == "kept.jsonl:2: no message of this gateway has these bytes"
    await world.outbox.close()


@pytest.mark.parametrize("form", ["export", "topic and body", "body"])
async def test_a_day_whose_rows_are_gone_is_proven_by_its_root(tmp_path: Path, form: str) -> None:
    world = await filled(tmp_path, windows=80)
    kept = tmp_path / "kept"
    lines = io.StringIO()
    export(tmp_path / DB, lines)
    if form == "export":
        kept.write_text(lines.getvalue())
    else:
        with kept.open("wb") as out:
            for row in rows(tmp_path / DB):
                out.write((row.topic.encode() + b" " if form != "body" else b"") + (row.body or b"") + b"\n")
    world.clock.turn(world.keep + 3600.0)
    await world.flush()
    assert verify(tmp_path / DB).rows == 0
    found = match(tmp_path / DB, [kept])
    assert (found.holds, found.rows, found.proven) == (True, 0, 81)
    assert [(day.n, day.have, day.holds) for day in found.days] == [(81, 81, True)]
    kept.write_bytes(kept.read_bytes().replace(b"xxx", b"xxy", 1))
    assert not match(tmp_path / DB, [kept]).holds
    await world.outbox.close()


async def test_lost_messages_are_not_part_of_what_a_day_proves(tmp_path: Path) -> None:
    world = await filled(tmp_path, windows=100, deliver=False)
    got = await world.deliver(most=50, live=0)
    await world.flush()
    world.clock.turn(401 * 86400.0)
    await world.flush()
    kept = tmp_path / "kept"
    kept.write_bytes(b"".join(row.body + b"\n" for row in got))
    found = match(tmp_path / DB, [kept])
    assert found.holds
    assert found.proven == 50
    await world.outbox.close()


async def test_without_a_file_the_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="there is no outbox at"):
        verify(tmp_path / DB)
    with pytest.raises(OutboxError, match="there is no outbox at"):
        list(rows(tmp_path / DB))


async def test_a_pruning_writer_does_not_disturb_a_check(tmp_path: Path) -> None:
    world = World(tmp_path, cap=1 << 20)
    world.routes = (route("city.energy"),)
    await world.start()
    for _ in range(40):
        for _one in range(30):
            world.window(size=900)
        await world.outbox.flush()
        assert verify(tmp_path / DB).faults == ()
    assert verify(tmp_path / DB).first > 1
    await world.outbox.close()
