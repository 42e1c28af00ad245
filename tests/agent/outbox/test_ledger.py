"""The ledger: what left can be shown, checked and matched, while the gateway runs and after it stopped."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.core.errors import OutboxError
from agent.core.message import Message
from agent.outbox.lane import OWN
from agent.outbox.ledger import export, match, rows, saved, verify
from agent.outbox.row import Draft
from agent.outbox.store import Store
from agent.outbox.work import Work
from tests.agent.outbox.scenes import START, World, route

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


def written(folder: Path, many: int, *, name: str = "city.energy") -> Path:
    """Make a file with *many* rows of one route, a minute apart, without a gateway."""
    store = Store(folder / DB, 16 << 20)
    store.open(lambda: "3f9c0a1b")
    drafts = [
        Draft(
            route=1, epoch=1, seq=n, message=Message(topic="t", body=f"{n}".encode(), kind="batch"),
            policy="p", made=START + 60.0 * n, boot=1.0, expires=None,
        )
        for n in range(1, many + 1)
    ]  # fmt: skip
    store.commit(Work(routes={1: name}, rows=tuple(drafts), state={"saved/energy": '{"counter":1}'}))
    store.close()
    return folder / DB


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


def test_of_many_rows_each_is_shown_once_and_of_the_newest_so_many_as_are_wanted(tmp_path: Path) -> None:
    path = written(tmp_path, 450)
    assert [row.seq for row in rows(path)] == list(range(1, 451))
    assert [row.seq for row in rows(path, limit=201)] == list(range(250, 451))
    assert [row.seq for row in rows(path, limit=1)] == [450]
    assert list(rows(path, limit=5, until=START)) == []


def test_what_is_noted_was_sent_to_nobody(tmp_path: Path) -> None:
    [noted] = rows(written(tmp_path, 1, name=OWN))
    assert (noted.recipient, noted.product, noted.state) == ("", "", "noted")
    verdict = verify(tmp_path / DB)
    assert (verdict.rows, verdict.noted, verdict.first, verdict.last) == (1, 1, 1, 1)


def test_what_a_product_keeps_can_be_looked_up_without_a_gateway(tmp_path: Path) -> None:
    assert saved(tmp_path, "energy") is None
    written(tmp_path, 1)
    assert saved(tmp_path, "energy") == {"counter": 1}
    assert saved(tmp_path, "people") is None


def test_erased_bodies_are_counted_and_no_fault(tmp_path: Path) -> None:
    path = written(tmp_path, 5)
    tamper(path, "UPDATE row SET body=NULL WHERE id IN (2, 4)")
    verdict = verify(path)
    assert (verdict.rows, verdict.erased, verdict.noted, verdict.faults) == (5, 2, 0, ())


def test_a_file_with_very_many_faults_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = written(tmp_path, 1002)
    assert verify(path).rows == 1002
    tamper(path, "UPDATE row SET body=x'00' WHERE id <= 19")
    assert verify(path).rows == 1002
    tamper(path, "UPDATE row SET body=x'00' WHERE id <= 20")
    assert (verify(path).rows, len(verify(path).faults)) == (1000, 20)


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
    assert (found.messages, found.rows, found.proven, found.strangers) == (6, 1, 0, 5)
    await world.outbox.close()


def test_each_of_many_messages_that_were_kept_is_found(tmp_path: Path) -> None:
    path, kept = written(tmp_path, 2500), tmp_path / "kept"
    kept.write_text("".join(f"t {n}\n" for n in range(1, 2501)))
    found = match(path, [kept])
    assert (found.holds, found.rows) == (True, 2500)


def test_an_exported_row_whose_body_is_erased_is_no_stranger_and_one_in_base64_is_read(
    tmp_path: Path,
) -> None:
    path, kept = written(tmp_path, 2), tmp_path / "kept"
    with kept.open("w") as out:
        tamper(path, "UPDATE row SET body=NULL WHERE id=1")
        export(path, out)
        out.write('{"route":"city.energy","epoch":1,"seq":2,"base64":"Mg=="}\n')
        out.write('{"route":"city.energy","epoch":1,"seq":2,"base64":"Mw=="}\n')
    found = match(path, [kept])
    assert (found.messages, found.rows, found.strangers) == (3, 2, 1)
    assert found.unknown == ("kept:4: no message of this gateway has these bytes",)


async def test_what_follows_a_past_day_does_not_speak_against_it(tmp_path: Path) -> None:
    """Two days have left, and the city shows both: each is proven by its own messages."""
    world = World(tmp_path)
    await world.start()
    for _ in range(80):
        world.clock.turn(360.0)  # the first evening has 40 of them
        world.window()
    await world.flush()
    await world.deliver()
    lines = io.StringIO()
    export(tmp_path / DB, lines)
    (tmp_path / "kept").write_text(lines.getvalue())
    world.clock.turn(world.keep + 86400.0)
    await world.flush()
    found = match(tmp_path / DB, [tmp_path / "kept"])
    assert [(day.n, day.have, day.holds) for day in found.days] == [(40, 40, True), (41, 41, True)]
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


async def test_a_message_of_another_product_proves_nothing_of_a_day(tmp_path: Path) -> None:
    world = await filled(tmp_path, windows=80)
    kept = tmp_path / "kept"
    with kept.open("wb") as out:
        for row in rows(tmp_path / DB):
            out.write(b"plain/people " + (row.body or b"") + b"\n")
        out.write(b"no message at all\n")
    world.clock.turn(world.keep + 3600.0)
    await world.flush()
    found = match(tmp_path / DB, [kept])
    assert (found.rows, found.proven, found.days) == (0, 0, ())
    assert found.strangers == 82
    await world.outbox.close()
