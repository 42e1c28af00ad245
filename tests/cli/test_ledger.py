"""`citygate ledger` shows what left, finds what was altered, and matches what the city kept."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.cli.ledger import _told, moment
from agent.cli.main import main
from agent.core.clock import SystemClock
from agent.core.errors import ConfigError
from agent.core.message import Place, Tip
from agent.core.record import Aggregate
from agent.gate import Gate
from agent.outbox.heads import Heads
from agent.outbox.match import DayMatch, Match
from agent.outbox.outbox import Outbox
from agent.outbox.signing import own_key
from agent.registry import plugin
from tests.cli.conftest import lay

Screen = pytest.CaptureFixture[str]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Lay an outbox with a start message and three windows."""
    from agent.config.load import load

    plan = load(lay(tmp_path / "site"))
    folder = tmp_path / "state"

    async def fill() -> None:
        from zoneinfo import ZoneInfo

        clock = SystemClock()
        folder.mkdir()
        outbox = await Outbox.open(folder, cap=16 << 20, keep=86400.0, clock=clock, boxed=False)
        outbox.configure(plan, {"city": plugin("encoding", "native")(plan.place)})
        gate = Gate(plan.products, plan.routes, ZoneInfo(plan.timezone))
        for number in range(3):
            figure = Aggregate(
                "main-meter.active_power", 1_795_291_200.0 + 900 * number, 900.0, 90, (12.5, 20.0, None)
            )
            for cleared in gate.clear("energy", [figure], clock.now()):
                outbox.put(cleared)
            await outbox.flush()
        await outbox.close()

    asyncio.run(fill())
    return folder


def ledger(state: Path, *words: str) -> int:
    return main(["ledger", *words, "--state", str(state)])


def test_messages_are_listed_with_their_state(state: Path, capsys: Screen) -> None:
    assert ledger(state, "show") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[4] for line in lines[1:]] == ["1/1", "1/2", "1/3", "1/4"]
    assert [line.split()[5] for line in lines[1:]] == ["start", "batch", "batch", "batch"]
    assert all(line.endswith("waiting") for line in lines[1:])


def test_bodies_are_shown_as_they_left(state: Path, capsys: Screen) -> None:
    assert ledger(state, "show", "--last", "1", "--bodies") == 0
    body = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (body["k"], body["s"]) == ("batch", 4)


def test_filters_choose_by_product_recipient_and_time(state: Path, capsys: Screen) -> None:
    for words, count in (
        (("--product", "energy", "--recipient", "city"), 4),
        (("--product", "heat"), 0),
        (("--since", "1h"), 4),
        (("--until", "1h"), 0),
    ):
        assert ledger(state, "show", "--json", *words) == 0
        assert len(json.loads(capsys.readouterr().out)) == count, words


def test_an_unaltered_ledger_verifies(state: Path, capsys: Screen) -> None:
    assert ledger(state, "verify") == 0
    assert "nothing was altered" in capsys.readouterr().out


def test_an_altered_body_is_found_and_named(state: Path, capsys: Screen) -> None:
    with sqlite3.connect(state / "outbox.db") as db:
        db.execute("UPDATE row SET body = CAST(replace(body, '12.5', '11.5') AS BLOB) WHERE seq = 3")
    db.close()
    assert ledger(state, "verify") == 1
    assert "1/3" in capsys.readouterr().out


def test_what_was_exported_matches_and_a_stranger_does_not(
    state: Path, tmp_path: Path, capsys: Screen
) -> None:
    assert ledger(state, "export") == 0
    exported = capsys.readouterr().out
    kept = tmp_path / "kept.jsonl"
    kept.write_text(exported, encoding="utf-8")
    assert ledger(state, "match", str(kept)) == 0
    assert "4 messages: 4 are in the ledger" in capsys.readouterr().out
    kept.write_text(exported.replace("12.5", "11.5", 1), encoding="utf-8")
    assert ledger(state, "match", str(kept)) == 1
    assert "1 did not leave here" in capsys.readouterr().out


def test_the_ledger_lies_where_the_configuration_says(state: Path, tmp_path: Path, capsys: Screen) -> None:
    site = tmp_path / "site"
    (site / "outbox.toml").write_text(f'[outbox]\npath = "{state}"\n')
    assert main(["ledger", "verify", "--config", str(site)]) == 0
    (site / "site.toml").write_text("a fault elsewhere\n")
    assert main(["ledger", "show", "--config", str(site)]) == 0
    assert str(state) in capsys.readouterr().out
    assert main(["ledger", "verify", "--config", str(site), "--state", str(tmp_path)]) == 1
    assert f"there is no outbox at {tmp_path}" in capsys.readouterr().err


def test_a_name_that_the_ledger_does_not_know_is_told_from_silence(state: Path, capsys: Screen) -> None:
    assert ledger(state, "show", "--product", "heat") == 0
    assert 'no message of product "heat" is here; of: energy' in capsys.readouterr().err
    assert ledger(state, "show", "--until", "1h") == 0
    assert "no message of that time" in capsys.readouterr().err


def test_on_a_narrow_screen_bodies_stand_below_their_rows(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: Screen
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert ledger(state, "show", "--last", "1", "--bodies") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["s"] == 4


def test_a_ledger_that_is_not_there_is_a_sentence(tmp_path: Path, capsys: Screen) -> None:
    assert ledger(tmp_path, "verify") == 1
    assert "there is no outbox" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "utc"),
    [("1970-01-02", 86400.0), ("1970-01-01T01:00:00Z", 3600.0), ("2h", 1e6 - 7200)],
)
def test_a_time_is_a_date_a_moment_or_a_span_ago(text: str, utc: float) -> None:
    assert moment(text, 1e6) == utc


def test_a_time_that_is_none_is_explained() -> None:
    with pytest.raises(ConfigError, match="2026-11-21"):
        moment("yesterday", 0.0)


@pytest.fixture
def heads(state: Path, tmp_path: Path) -> Path:
    """Keep the head that a witness would have got at the end."""
    with closing(sqlite3.connect(state / "outbox.db")) as db:
        number, link = db.execute("SELECT id, link FROM row ORDER BY id DESC LIMIT 1").fetchone()
        lid = db.execute("SELECT value FROM state WHERE name='lid'").fetchone()[0]
    key = own_key(state)
    tip = Tip(lid=lid, id=number, hash=link.hex(), at=1_795_291_200.0, policy="3b683cb786f6")
    native = plugin("encoding", "native")(Place(city="vaasa", site="library", gateway="gw1"))
    kept = tmp_path / "heads"
    kept.write_bytes(native.head(tip, key.public, key.sign).body + b"\n")
    return kept


def test_verify_agrees_with_a_witness(state: Path, heads: Path, capsys: Screen) -> None:
    words = ["ledger", "verify", "--state", str(state), "--heads", str(heads)]
    assert main([*words, "--key", str(state / "ledger.pub")]) == 0
    assert "The witness agrees" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["heads"]["confirmed"] == 1


def test_verify_fails_when_a_witness_knows_it_otherwise(state: Path, heads: Path, capsys: Screen) -> None:
    with closing(sqlite3.connect(state / "outbox.db")) as db:
        db.execute("DELETE FROM row WHERE id=(SELECT max(id) FROM row)")
        db.commit()
    assert main(["ledger", "verify", "--state", str(state)]) == 0
    assert main(["ledger", "verify", "--state", str(state), "--heads", str(heads)]) == 1
    assert "rows have been taken away" in capsys.readouterr().out


def test_a_file_without_heads_confirms_nothing(state: Path, tmp_path: Path, capsys: Screen) -> None:
    (tmp_path / "empty").write_text("nothing\n", "utf-8")
    assert main(["ledger", "verify", "--state", str(state), "--heads", str(tmp_path / "empty")]) == 1
    assert "Nothing was confirmed" in capsys.readouterr().out


def test_a_key_that_is_none_is_refused(state: Path, heads: Path, capsys: Screen) -> None:
    words = ["ledger", "verify", "--state", str(state), "--heads", str(heads), "--key", str(heads)]
    assert main(words) == 2
    assert "take ledger.pub" in capsys.readouterr().err


def test_an_account_is_written_as_sheet_and_as_page(state: Path, capsys: Screen) -> None:
    assert main(["ledger", "export", "--state", str(state), "--form", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert main(["ledger", "export", "--state", str(state), "--form", "page", "--since", "1d"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# What left, 1d to now")
    assert "| city | energy |" in out


def test_noise_that_nobody_spent_is_said(state: Path, capsys: Screen) -> None:
    assert ledger(state, "privacy") == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "no count was released with noise in that time\n")
    assert ledger(state, "privacy", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_noise_that_was_spent_is_accounted_for(state: Path, capsys: Screen) -> None:
    with closing(sqlite3.connect(state / "outbox.db")) as db, db:
        db.execute("INSERT INTO spent VALUES('2026-11-21', '3b683cb786f6', 'flow', 'door.in', '0.5', 2, 96)")
    assert ledger(state, "privacy") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "2026-11-21" in said
    assert "door.in" in said
    assert ledger(state, "privacy", "--json") == 0
    [told] = json.loads(capsys.readouterr().out)
    assert (told["product"], told["releases"], told["epsilon"]) == ("flow", 96, "0.5")
    assert ledger(state, "privacy", "--until", "2026-11-20", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_script_gets_what_matched_and_its_status(state: Path, tmp_path: Path, capsys: Screen) -> None:
    assert ledger(state, "export") == 0
    kept = tmp_path / "kept.jsonl"
    kept.write_text(capsys.readouterr().out, "utf-8")
    assert main(["ledger", "match", str(kept), "--state", str(state), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["holds"] is True
    kept.write_text(kept.read_text("utf-8").replace("12.5", "13.5", 1), "utf-8")
    assert main(["ledger", "match", str(kept), "--state", str(state), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["holds"], told["strangers"]) == (False, 1)


def test_heads_and_days_that_have_left_by_retention_are_told(
    state: Path, tmp_path: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Heads(heads=3, confirmed=1, older=2, key="AAAA", faults=())
    assert "1 confirmed, 2 too old (their rows have left by retention)" in _told(old)
    day = DayMatch(route="city.energy", day="2026-11-20", n=97, have=96, holds=False)
    past = Match(messages=96, rows=0, proven=0, strangers=96, unknown=(), days=(day,))
    monkeypatch.setattr("agent.outbox.ledger.match", lambda *_: past)
    assert main(["ledger", "match", str(tmp_path), "--state", str(state)]) == 1
    assert "  city.energy 2026-11-20: 96 of 97, does not agree\n" in capsys.readouterr().out
