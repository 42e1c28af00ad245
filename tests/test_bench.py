"""Measurements tell their figures in one form, and what is collected is what was measured last."""

from __future__ import annotations

import json
import os
import socket
import struct
from pathlib import Path

import pytest

from bench import run
from bench._field import Tally, serving
from bench._report import Figure, show
from bench._sides import Side

FIGURE = Figure(
    name="check_cold.check",
    what="CPU of a cold `citygate check`",
    value=0.12,
    unit="s",
    against="bare",
    floor=0.04,
    aim=0.15,
)


_SLOW = '''"""Slow."""
from bench._report import Figure, show
show([
    Figure(name="slow.much", what="too much", value=2, unit="s", against="x", floor=1, aim=1.5),
    Figure(name="slow.enough", what="enough", value=2, unit="s", against="x", floor=1, aim=2.5),
])
'''


def test_a_figure_is_a_row_for_people_and_a_line_of_five_keys(capsys: pytest.CaptureFixture[str]) -> None:
    show([FIGURE])
    heads, row, line = capsys.readouterr().out.splitlines()
    assert "ratio" in heads
    assert "aim 0.15" in row
    assert "missed" not in row
    assert json.loads(line) == {
        "name": "check_cold.check", "value": 0.12, "unit": "s", "against": "bare", "ratio": 3.0,
    }  # fmt: skip
    assert run.is_figure(line)


def test_a_figure_that_misses_its_aim_is_named_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "_RESULTS", tmp_path / "build" / "bench.jsonl")
    monkeypatch.setattr(run, "_HERE", tmp_path / "bench")
    monkeypatch.setattr("sys.argv", ["run.py"])
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "slow.py").write_text(_SLOW)
    monkeypatch.setenv("PYTHONPATH", str(Path(run.__file__).parents[1]))
    assert run.main() == 0
    told = capsys.readouterr().out
    head, _, names = told.partition("Missed their aim:\n")
    assert "slow: too much" in names
    assert "enough" in head
    assert "enough" not in names


@pytest.mark.parametrize("line", ["", "a table", "12", '{"name": "x"}', '{"bench": "x", "value": 1}'])
def test_what_has_other_keys_is_no_figure(line: str) -> None:
    assert not run.is_figure(line)


def test_a_measurement_replaces_its_own_lines_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_RESULTS", tmp_path / "build" / "bench.jsonl")
    other = FIGURE.line().replace("check_cold.", "steps.")
    run._keep("check_cold", [FIGURE.line()])
    run._keep("steps", [other])
    run._keep("check_cold", [FIGURE.line().replace("0.12", "0.11")])
    kept = [json.loads(one) for one in (tmp_path / "build" / "bench.jsonl").read_text().splitlines()]
    assert [(one["name"], one["value"]) for one in kept] == [
        ("steps.check", 0.12),
        ("check_cold.check", 0.11),
    ]


def _read(port: int, unit: int, addr: int, count: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as line:
        line.sendall(struct.pack(">HHHBBHH", 1, 0, 6, unit, 3, addr, count))
        return line.recv(300)


def test_the_field_counts_what_is_asked_of_it() -> None:
    with serving(ports=2, dead=3) as field:
        assert _read(field.ports[0], 1, 5, 2)[9:] == b"\0\5\0\6"
        _read(field.ports[1], 2, 0, 100)
        side = Side("ours", field, os.getpid())
        side.begin()
        tally = field.look()
    assert (tally.requests, tally.registers, tally.longest, tally.connections) == (2, 102, 100, 2)
    assert {unit: len(ats) for unit, ats in tally.polls.items()} == {2: 1}


def test_a_reading_that_is_left_out_is_missing_wherever_it_was() -> None:
    with serving() as field:
        side = Side("ours", field, os.getpid())
    side.before.at, side.after = 100.2, Tally(at=110.3)
    beats = [100.9 + second for second in range(10)]
    side.after.polls = {1: beats, 2: beats[2:], 3: [*beats[:4], *beats[5:]], 4: beats[:-2], 5: []}
    for unit, percent in ((1, 0), (2, 20), (3, 10), (4, 10), (5, 90)):
        assert side.missing([unit]) == pytest.approx(percent, abs=1)
