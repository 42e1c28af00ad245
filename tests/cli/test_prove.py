"""`citygate prove` puts the demo's site to the test, tells what stands, and keeps it for the report."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.prove.outcome import State
from agent.prove.record import FILE, Record, keep, kept
from agent.prove.run import Proof, names
from agent.prove.running import pid_of
from agent.resources import resource

DEMO = str(resource("config/templates/demo"))


@pytest.mark.usefixtures("unmeasured")
def test_no_promise_fails_in_the_demo_and_the_report_tells_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--state", str(tmp_path), "--socket", str(tmp_path / "none.sock")]
    assert main(["prove", DEMO, "--json", *where]) == 0
    said = json.loads(capsys.readouterr().out)
    states = {one["name"]: one["state"] for one in said["proofs"]}
    assert list(states) == names()
    assert {name for name, state in states.items() if state != "pass"} == {
        "files-are-closed-to-others",
        "the-system-confines-it",
    }
    assert all(one["told"] for one in said["proofs"]), "each says why"
    assert sum(one["seconds"] for one in said["proofs"]) < 30
    found = kept(tmp_path)
    assert found is not None
    assert found.policy == said["policy"]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) & 0o007 == 0
    assert main(["report", "privacy", DEMO, "--state", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert f"Made at {said['at']}" in text
    assert "another policy" not in text
    assert "No gateway runs here" in text


def proof(state: State) -> Proof:
    return Proof(name="x", promise="It holds.", state=state, told=(), seconds=0.1)


def test_what_was_kept_is_whole_or_not_there(tmp_path: Path) -> None:
    record = Record(place="a/b/c", policy="0", at="now", software="1", proofs=(proof(State.OPEN),))
    assert kept(tmp_path) is None
    assert keep(record, tmp_path)
    assert kept(tmp_path) == record
    assert [one.name for one in tmp_path.iterdir()] == [FILE]
    (tmp_path / FILE).write_text('{"place": "a')
    assert kept(tmp_path) is None
    assert not keep(record, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("states", "strict", "status"),
    [
        ([State.KEPT, State.OPEN], False, 0),
        ([State.KEPT, State.OPEN], True, 1),
        ([State.KEPT], True, 0),
        ([State.KEPT, State.BROKEN], False, 1),
    ],
)
def test_what_is_not_enforced_fails_only_when_strict(states: list[State], strict: bool, status: int) -> None:
    from agent.cli.prove import verdict

    record = Record(place="", policy="", at="", software="", proofs=tuple(map(proof, states)))
    assert verdict(record, strict=strict) == status


def test_a_faulty_site_is_a_fault_of_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site.toml").write_text("[site]\n")
    assert main(["prove", str(tmp_path)]) == 2
    assert 'missing key "city"' in capsys.readouterr().err


def test_an_interrupted_proof_leaves_neither_copies_nor_a_gateway() -> None:
    with tempfile.TemporaryDirectory() as name:  # a socket's path must be short
        room = Path(name)
        words = [sys.executable, "-P", "-m", "agent", "prove", DEMO, "--state", str(room / "none"), "--json"]
        with subprocess.Popen(words, env={**os.environ, "TMPDIR": name}) as process:
            while (
                not (found := [pid_of(one) for one in room.glob("*/*/own/run/control.sock")]) or not found[0]
            ):
                assert process.poll() is None
                time.sleep(0.02)  # another process: only waiting can tell
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
        assert not Path(f"/proc/{found[0]}").exists()
        assert list(room.iterdir()) == []


def two(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let two promises be all there are; give the words of a command that tries them."""
    monkeypatch.setattr("agent.prove.run.names", lambda: ["x", "y"])
    monkeypatch.setattr("agent.prove.run.try_all", lambda _: iter([proof(State.KEPT), proof(State.OPEN)]))
    return ["--state", str(folder), "--socket", str(folder / "none.sock")]


def test_a_person_sees_each_promise_as_it_is_tried_and_the_sum(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = two(tmp_path, monkeypatch)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["prove", DEMO, *where]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("demo-city/library/gw1, policy ")
    assert "2 promises are put to the test" in said.out
    assert said.out.count("It holds.") == 2
    assert f"1 pass, 0 fail, 1 not enforced on this system. Kept in {tmp_path}." in said.out
    assert "(2/2) y ..." in said.err
    assert main(["prove", DEMO, *where, "--strict"]) == 1


def test_a_script_gets_nothing_but_the_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["prove", DEMO, "--json", *two(tmp_path, monkeypatch)]) == 0
    said = capsys.readouterr()
    assert [one["state"] for one in json.loads(said.out)["proofs"]] == ["pass", "not enforced"]
    assert json.loads(said.out) == json.loads((tmp_path / FILE).read_text("utf-8"))
    assert said.err == ""


def test_without_any_files_the_demos_site_is_taken_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = two(tmp_path, monkeypatch)
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "nothing"))
    assert main(["prove", *where]) == 0
    said = capsys.readouterr()
    assert f"There is no *.toml in {tmp_path}/nothing: the demo's site is taken." in said.err
    assert said.out.startswith("demo-city/library/gw1")
