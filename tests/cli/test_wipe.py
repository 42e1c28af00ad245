"""A gateway that is taken out of service keeps its ledger elsewhere and nothing here."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.cli import wipe
from agent.cli.main import main
from agent.outbox import schema
from tests.cli.test_identity import SITE


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a gateway with a configuration, a secret, a ledger and a drop-in."""
    for name in ("site/credentials", "state/models", "units/citygate.service.d"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "site/site.toml").write_text(SITE, "utf-8")
    (tmp_path / "site/credentials/password").write_text("x", "utf-8")
    (tmp_path / "state/ledger.key").write_text("y", "utf-8")
    (tmp_path / "state/models/toy.citymodel").write_text("z", "utf-8")
    (tmp_path / "units/citygate.service.d/50-site.conf").write_text("[Service]\n", "utf-8")
    with closing(schema.connect(tmp_path / "state/outbox.db")) as db:
        db.execute("INSERT INTO state VALUES(1, 'lid', 'abc')")
    monkeypatch.setattr(wipe, "UNITS", tmp_path / "units")
    monkeypatch.setattr(wipe, "_stop", lambda: None)
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "site"))
    return tmp_path


def wiped(place: Path, *words: str) -> int:
    return main(["wipe", *words, "--config", str(place / "site"), "--state", str(place / "state")])


def left(place: Path) -> list[str]:
    found = [path for name in ("site", "state", "units") for path in (place / name).rglob("*")]
    return sorted(path.name for path in found if path.is_file())


def test_nothing_stays_but_a_copy_of_the_ledger(place: Path) -> None:
    assert wiped(place, "library/gw1", "--ledger", str(place / "kept.db")) == 0
    assert left(place) == []
    with closing(sqlite3.connect(place / "kept.db")) as db:
        assert db.execute("SELECT value FROM state").fetchall() == [("abc",)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["library/gw2", "--without-ledger"], "this gateway is library/gw1, not library/gw2"),
        (["library/gw1", "--ledger", "site/site.toml"], "is there already"),
        (["library/gw1", "--ledger", "no/such/folder/kept.db"], "cannot be copied"),
        (["library/gw1"], "--ledger"),
    ],
)
def test_a_slip_removes_nothing(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(place)
    before = left(place)
    assert wiped(place, *words) != 0
    assert told in capsys.readouterr().err
    assert left(place) == before


def test_a_configuration_of_one_file_is_left_to_the_person(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(place / "site" / "site.toml")
    words = ["wipe", "library/gw1", "--without-ledger", "--config", file, "--state", str(place / "state")]
    before = left(place)
    assert main(words) == 2
    assert "is a file; name the folder of the configuration" in capsys.readouterr().err
    assert left(place) == before


def test_without_a_ledger_to_keep_nothing_is_removed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "state/outbox.db").unlink()
    before = left(place)
    assert wiped(place, "library/gw1", "--ledger", str(place / "kept.db")) == 1
    assert "there is no ledger at" in capsys.readouterr().err
    assert left(place) == before
    assert wiped(place, "library/gw1", "--without-ledger") == 0
    assert left(place) == []


def test_a_copy_that_is_not_sound_removes_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(schema.connect(place / "state/outbox.db")) as db:
        db.execute("INSERT INTO route VALUES(1, 'city.energy')")
        page = db.execute(
            "SELECT rootpage FROM sqlite_master WHERE tbl_name='route' ORDER BY type"
        ).fetchone()[0]
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (place / "state/outbox.db").open("r+b") as file:
        file.seek((page - 1) * 4096 + 2048)
        file.write(b"\x77" * 2048)
    before = left(place)
    assert wiped(place, "library/gw1", "--ledger", str(place / "kept.db")) == 1
    assert "nothing was removed" in capsys.readouterr().err
    assert left(place) == before


def test_a_copy_that_holds_what_no_ledger_holds_is_not_sound(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(place / "state/outbox.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = (place / "state/outbox.db").read_bytes()
    text = b"\x04\x00\x13\x13lidabc"
    assert raw.count(text) == 1
    blob = text.replace(b"\x13lid", b"\x12lid")  # a blob where a text has to stand
    (place / "state/outbox.db").write_bytes(raw.replace(text, blob))
    before = left(place)
    assert wiped(place, "library/gw1", "--ledger", str(place / "kept.db")) == 1
    assert "is not sound; nothing was removed" in capsys.readouterr().err
    assert left(place) == before


def test_a_state_folder_that_is_not_there_needs_no_emptying(place: Path) -> None:
    words = ["wipe", "library/gw1", "--without-ledger", "--config", str(place / "site")]
    assert main([*words, "--state", str(place / "none")]) == 0
    assert not list((place / "site").iterdir())
