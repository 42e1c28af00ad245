"""Measurements tell their figures in one form, and what is collected is what was measured last."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import run
from bench._report import Figure, show

FIGURE = Figure(
    name="check_cold.check",
    what="CPU of a cold `citygate check`",
    value=0.12,
    unit="s",
    against="bare",
    floor=0.04,
    aim=0.15,
)


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
