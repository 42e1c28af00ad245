"""Any way in which the disk fails is trouble that is told, never a message that is gone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.core.errors import OutboxError
from agent.outbox import chain
from agent.outbox.ledger import rows, verify
from agent.outbox.reserve import Reserve
from agent.outbox.soundness import PROVEN, Judge, has_losses
from agent.outbox.store import DamagedError, FullError, Store
from tests.agent.outbox.scenes import World

DAY = 86400.0


async def test_an_error_of_the_reserve_is_trouble_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    outbox = await world.start(boxed=True)
    await world.flush()
    world.window()
    with monkeypatch.context() as broken:
        broken.setattr(Store, "_commit", _full)
        broken.setattr(Store, "_disk_is_full", lambda _: True)
        broken.setattr(Reserve, "give", _gone)
        await outbox.flush()
        assert "Input/output error" in outbox.trouble
    await world.flush()
    assert outbox.trouble == ""
    assert [row.kind for row in await world.deliver()] == ["start", "batch"]
    await outbox.close()


def _full(*_: object) -> None:
    raise FullError("no room")


def _gone(*_: object) -> None:
    raise OSError(5, "Input/output error")


async def test_a_folder_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "outbox.lock").mkdir()
    with pytest.raises(OutboxError, match=r"outbox\.db"):
        await World(tmp_path).start()


async def test_a_key_that_cannot_be_read_takes_no_witness_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ledger.key").mkdir()
    world = World(tmp_path)
    outbox = await world.start()
    assert outbox.key is None
    assert "ledger.key" in caplog.text
    world.window()
    await world.flush()
    assert [row.kind for row in await world.deliver()] == ["start", "batch"]
    await outbox.close()


async def test_a_number_of_runs_that_cannot_be_kept_beside_is_told_and_stands_in_the_outbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("agent.outbox.store.write_epoch", _gone)
    world = World(tmp_path)
    outbox = await world.start()
    assert "Input/output error" in caplog.text
    await outbox.close()
    outbox = await world.start()
    assert outbox.epoch == 2
    await outbox.close()


async def test_an_outbox_that_somebody_else_wrote_to_is_not_opened_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    outbox = await world.start()
    world.window()
    await world.flush()
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db, db:
        db.execute("DELETE FROM row WHERE id = (SELECT max(id) FROM row)")
    with pytest.raises(DamagedError, match="changed under the running gateway; restart it"):
        outbox._store.reopen()
    world.crash()
    world.crash()  # nothing is held any more, and that is no error


async def test_what_is_erased_or_let_go_waits_while_the_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, keep=DAY)
    outbox = await world.start()
    for _ in range(80):
        world.clock.turn(60.0)
        world.window()
    await world.flush()
    await world.deliver(most=70, live=0)
    await world.flush()
    before = len(list(rows(tmp_path / "outbox.db")))
    world.clock.turn(401 * DAY)
    with monkeypatch.context() as broken:
        broken.setattr(Store, "_commit", _failing)
        await outbox._keeper.keep_house()
        assert "does not answer as it should" in outbox.trouble
        assert await outbox._keeper.commit() is False
    assert len(list(rows(tmp_path / "outbox.db"))) == before
    await world.flush()
    assert outbox.trouble == ""
    assert len(list(rows(tmp_path / "outbox.db"))) < before
    assert verify(tmp_path / "outbox.db").holds
    await outbox.close()


def _failing(*_: object) -> None:
    raise OutboxError("the disk does not answer as it should: Input/output error")


def test_a_reserve_that_holds_nothing_gives_nothing(tmp_path: Path) -> None:
    assert Reserve(tmp_path / "reserve", 1 << 20).give() is False


@pytest.mark.parametrize(("full", "gives"), [(False, True), (True, False)], ids=["cap", "nothing put by"])
async def test_where_no_room_can_be_made_it_is_trouble_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool, gives: bool
) -> None:
    world = World(tmp_path)
    outbox = await world.start()
    await world.flush()
    world.window()
    with monkeypatch.context() as broken:
        broken.setattr(Store, "_commit", _full)
        broken.setattr(Store, "_disk_is_full", lambda _: full)
        broken.setattr(Reserve, "give", lambda *_: gives)
        await outbox.flush()
        assert outbox.trouble == "no room"
    await world.flush()
    assert [row.kind for row in await world.deliver()] == ["start", "batch"]
    await outbox.close()


async def test_a_file_that_can_be_no_outbox_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").mkdir()
    with pytest.raises(OutboxError, match=r"outbox\.db|disk under"):
        await World(tmp_path).start()


async def test_a_time_that_cannot_be_written_down_is_learnt_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.clock.synced = False
    outbox = await world.start()
    world.window()
    await outbox.flush()
    world.clock.synced = True
    with monkeypatch.context() as broken:
        broken.setattr(Store, "_commit", _failing)
        await outbox._keeper.keep_house()
        assert outbox.trouble
    await world.flush()
    assert outbox.trouble == ""
    assert all(one.expires is not None for one in rows(tmp_path / "outbox.db"))
    await outbox.close()


async def test_a_row_of_another_form_is_no_row_of_ours(tmp_path: Path) -> None:
    world = World(tmp_path)
    outbox = await world.start()
    world.window()
    await world.flush()
    await outbox.close()
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db:
        names = dict(db.execute("SELECT number, name FROM route"))
        [first, *_] = db.execute(f"SELECT {PROVEN} FROM row ORDER BY id").fetchall()  # noqa: S608
    judge = Judge(names)
    judge.expect(0, chain.START)
    assert judge.holds(first)
    for at, wrong in ((0, "one"), (-1, "a text"), (9, "{"), (9, b"[]"), (2, None)):
        odd = list(first)
        odd[at] = wrong
        assert not Judge(names).holds(odd), at
    assert [has_losses(one) for one in (None, "{", 7, b"\xff")] == [True, False, False, False]
