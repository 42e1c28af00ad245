"""A damaged file: the gateway starts, what can be saved is saved, and the rest is declared."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.core.errors import OutboxError
from agent.outbox.outbox import Outbox
from agent.outbox.store import FullError, Store
from agent.outbox.verdict import verify
from agent.outbox.work import Done, Work
from tests.agent.outbox.scenes import CAP, KEEP, World, covered, losses, route

ROUTES = ("city.energy", "city.people")
DB = "outbox.db"
PAGE = 4096


async def filled(folder: Path) -> tuple[World, set[tuple[str, int, int]]]:
    """Two epochs on two routes, some of it delivered, then a kill; give all that was committed."""
    world = World(folder)
    world.routes = tuple(route(name) for name in ROUTES)
    for _ in range(2):
        await world.start()
        for n in range(150):
            world.clock.turn(60.0)
            world.window(ROUTES[n % 2], size=700)
        await world.flush()
        await world.deliver(most=70)
        await world.outbox.flush()
        world.crash()
    with closing(sqlite3.connect(folder / DB)) as db:
        rows = db.execute("SELECT name, epoch, seq FROM row JOIN route ON route=number").fetchall()
    return world, set(rows)


async def assert_all_covered(world: World, rows: set[tuple[str, int, int]]) -> None:
    await world.start()
    await world.flush()
    await world.deliver()
    await world.flush()
    await world.deliver()
    assert [one for one in sorted(rows) if not covered(world.got, *one)] == []
    assert verify(world.folder / DB).faults == ()
    assert world.outbox.queue("city").n == 0
    await world.outbox.close()


def cut_off(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 3 * PAGE - 100)


def zero_last_page(path: Path) -> None:
    _overwrite(path, path.stat().st_size // PAGE - 1, bytes(PAGE))


def zero_first_page(path: Path) -> None:
    _overwrite(path, 0, bytes(PAGE))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def no_database(path: Path) -> None:
    path.write_bytes(b"this is no database, however long one looks at it\n" * 400)


def garble(seed: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        chance = random.Random(seed)
        size = path.stat().st_size
        with path.open("r+b") as file:
            for _ in range(4):
                file.seek(chance.randrange(100, size - 512))
                file.write(chance.randbytes(512))

    damage.__name__ = f"garble_{seed}"
    return damage


def _overwrite(path: Path, page: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(content)


DAMAGES = [cut_off, zero_last_page, zero_first_page, no_database, *(garble(seed) for seed in range(10))]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
async def test_whatever_breaks_the_file_the_rest_is_saved_or_declared(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    world, rows = await filled(tmp_path)
    damage(tmp_path / DB)
    await assert_all_covered(world, rows)


async def test_a_cut_off_end_costs_only_the_end(tmp_path: Path) -> None:
    world, _ = await filled(tmp_path)
    cut_off(tmp_path / DB)
    await world.start()
    assert world.outbox.lid == "00000002"
    assert world.outbox.epoch == 3
    rows = verify(tmp_path / DB).rows
    assert rows > 250
    await world.flush()
    await world.deliver()
    assert {loss.why for loss in losses(world.got)} == {"crash"}
    await world.outbox.close()
    assert (tmp_path / "outbox.db.damaged").exists()


async def test_numbers_go_on_when_the_whole_file_is_gone(tmp_path: Path) -> None:
    world, _ = await filled(tmp_path)
    (tmp_path / DB).unlink()
    await world.start()
    assert world.outbox.epoch == 3
    await world.outbox.close()


async def test_a_salvage_that_was_interrupted_begins_anew(tmp_path: Path) -> None:
    world, rows = await filled(tmp_path)
    cut_off(tmp_path / DB)
    (tmp_path / DB).replace(tmp_path / "outbox.db.damaged")
    (tmp_path / DB).write_bytes(b"half a salvage")
    (tmp_path / "outbox.damaged").write_text("aside")
    await assert_all_covered(world, rows)
    assert not (tmp_path / "outbox.damaged").exists()


async def test_a_salvage_tells_how_far_it_is_also_where_nothing_can_be_read(tmp_path: Path) -> None:
    world, _ = await filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / DB)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name='row'").fetchone()
    world.clock.turn(60.0)
    _overwrite(tmp_path / DB, page - 1, bytes(PAGE))
    shares: list[float] = []
    outbox = await Outbox.open(
        tmp_path, cap=CAP, keep=KEEP, clock=world.clock, boxed=False, saving=shares.append
    )
    await outbox.close()
    assert shares[0] == 0.0
    assert max(shares) < 1.0
    assert shares == sorted(shares)
    # one row after the other is tried, since none can be read
    assert len(set(shares)) > 250


async def test_damage_that_is_found_at_work_ends_the_process_and_is_healed_by_the_next(
    tmp_path: Path,
) -> None:
    world, rows = await filled(tmp_path)
    await world.start()
    await world.outbox.close()
    with closing(sqlite3.connect(tmp_path / DB)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name='row_by_route'").fetchone()
    _overwrite(tmp_path / DB, page - 1, bytes(PAGE))
    await world.start()
    await world.deliver()
    with pytest.raises(RuntimeError, match="restart to salvage it"):
        await world.outbox.run()
    assert world.outbox.trouble
    world.crash()
    await assert_all_covered(world, rows)


async def test_a_name_that_was_garbled_is_no_traceback_but_damage(tmp_path: Path) -> None:
    world, rows = await filled(tmp_path)
    content = (tmp_path / DB).read_bytes()
    assert b"tablerowrow" in content
    content = content.replace(
        b"tablerowrow", b"table\xabowrow", 1
    )  # SQLite quotes it in what it complains of
    (tmp_path / DB).write_bytes(content.replace(b"CREATE TABLE row(", b"CREATE TABBE row(", 1))
    await assert_all_covered(world, rows)


async def test_a_file_that_says_it_is_huge_is_taken_at_its_own_length(tmp_path: Path) -> None:
    world, rows = await filled(tmp_path)
    _overwrite(tmp_path / DB, 0, (tmp_path / DB).read_bytes()[:28] + (1 << 21).to_bytes(4, "big"))
    await assert_all_covered(world, rows)
    assert (tmp_path / "outbox.db.damaged").stat().st_size < 16 << 20
    assert {row.epoch for row in world.got} >= {1, 2}


async def test_no_message_goes_to_another_route_because_a_name_was_garbled(tmp_path: Path) -> None:
    """Each message was bound to the name of its route; behind a hole nothing else would tell."""
    world, _ = await filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / DB)) as db:
        db.executescript("UPDATE route SET name='city.elergy' WHERE name='city.energy'")
        db.executescript("DELETE FROM row WHERE id % 7 = 0")
    (tmp_path / "outbox.damaged").write_text("found")
    world.routes = (*world.routes, route("city.elergy"))
    await world.start()
    await world.flush()
    await world.deliver()
    assert not [one for one in world.got if one.route == "city.elergy" and one.epoch <= 2]
    assert [one for one in world.got if one.route == "city.people" and one.epoch == 1]
    await world.outbox.close()


async def test_two_gateways_cannot_share_an_outbox(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    with pytest.raises(OutboxError, match="another gateway uses"):
        await World(tmp_path).start()
    await world.outbox.close()


CHANGES = {
    "its number": "UPDATE row SET seq = seq - 1 WHERE id = 250",
    "its body": "UPDATE row SET body = CAST(replace(body, 'xxx', 'yyy') AS BLOB) WHERE id = 250",
    "its route": "UPDATE row SET route = 3 - route WHERE id = 250",
    "its link": "UPDATE row SET link = zeroblob(32) WHERE id = 250",
    "the last number": "UPDATE row SET epoch = 1 WHERE id = (SELECT max(id) FROM row)",
    "what a lane keeps": "UPDATE state SET value = replace(value, '{', '[') WHERE name = 'lane/city.energy'",
    "what a product keeps": "INSERT INTO state VALUES(98, 'saved/energy', '{\"a')",
    "the anchor": "INSERT INTO state VALUES(99, 'anchor', '[1')",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_a_worn_card_gives_back_changed_is_not_sent_but_declared(
    tmp_path: Path, change: str
) -> None:
    world, rows = await filled(tmp_path)
    bodies = await bodies_in(tmp_path / DB)
    with closing(sqlite3.connect(tmp_path / DB)) as db:
        db.executescript(CHANGES[change])
        assert db.execute("PRAGMA quick_check").fetchone() == ("ok",)
    await world.start()
    await world.deliver()
    if world.outbox.trouble:  # found at work: the process ends, and the next one heals
        assert "not the one that was written" in world.outbox.trouble
        world.crash()
    else:
        await world.outbox.close()
    await assert_all_covered(world, rows)
    assert not [one for one in world.got if bodies.get((one.route, one.epoch, one.seq), one.body) != one.body]


async def bodies_in(path: Path) -> dict[tuple[str, int, int], bytes]:
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT name, epoch, seq, body FROM row JOIN route ON route=number").fetchall()
    return {(name, epoch, seq): body for name, epoch, seq, body in found}


async def test_a_mark_of_damage_without_a_damaged_file_is_a_fresh_start(tmp_path: Path) -> None:
    (tmp_path / "outbox.damaged").write_text("found")
    world = World(tmp_path)
    outbox = await world.start()
    assert not (tmp_path / "outbox.damaged").exists()
    world.window()
    await world.flush()
    assert [row.kind for row in await world.deliver()] == ["start", "batch"]
    await outbox.close()


async def test_a_disk_without_room_for_the_rest_ends_the_salvage_and_the_rest_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world, rows = await filled(tmp_path)
    (tmp_path / "outbox.damaged").write_text("found")
    commits = 0
    real = Store.commit

    def full(store: Store, work: Work) -> Done:
        nonlocal commits
        commits += bool(work.rows)
        if commits > 1 and work.rows:
            raise FullError("no room on the disk")
        return real(store, work)

    monkeypatch.setattr("agent.outbox.salvage._STRETCH", 100)
    with monkeypatch.context() as tight:
        tight.setattr(Store, "commit", full)
        await world.start()
    assert "the salvage ends before row" in caplog.text
    await world.deliver()
    await world.outbox.close()
    await assert_all_covered(world, rows)
