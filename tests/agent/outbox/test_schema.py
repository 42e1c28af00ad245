"""The file of an older release is brought forward, the file of a newer one is left as it is."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from agent.core.errors import OutboxError
from agent.outbox import schema

NEXT = schema.VERSION + 1


def form(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        found: int = db.execute("PRAGMA user_version").fetchone()[0]
        return found


def test_an_older_file_is_brought_forward_with_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outbox.db"
    with closing(schema.connect(path)) as db:
        db.execute("INSERT INTO state VALUES(1, 'lid', 'abc')")
    monkeypatch.setattr(schema, "VERSION", NEXT)
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, "ALTER TABLE state ADD COLUMN note TEXT;"))
    with closing(schema.connect(path)) as db:
        assert db.execute("SELECT value, note FROM state").fetchall() == [("abc", None)]
    assert form(path) == NEXT


def test_a_newer_file_is_refused_in_words_and_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outbox.db"
    monkeypatch.setattr(schema, "VERSION", NEXT)
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, "CREATE TABLE more(id INTEGER);"))
    schema.connect(path).close()
    before = path.read_bytes()
    monkeypatch.undo()
    with pytest.raises(OutboxError, match=rf"newer citygate \(form {NEXT}, this one knows {NEXT - 1}\)"):
        schema.connect(path)
    assert path.read_bytes() == before


def test_a_file_of_this_release_is_taken_as_it_is_on_any_thread(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    schema.connect(path).close()
    with closing(schema.connect(path)) as db, ThreadPoolExecutor(1) as thread:
        thread.submit(db.execute, "INSERT INTO state VALUES(1, 'lid', 'abc')").result()
    with closing(schema.connect_reader(path)) as db:
        assert db.execute("SELECT value FROM state").fetchall() == [("abc",)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            db.execute("DELETE FROM state")


def test_there_is_a_step_to_every_form() -> None:
    assert len(schema.STEPS) == schema.VERSION
