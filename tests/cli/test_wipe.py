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
