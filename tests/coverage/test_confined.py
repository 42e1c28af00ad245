"""What a process reaches that has locked itself in is measured like that of any other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from coverage import CoverageData

from tests.coverage.collecting import collecting
from tests.coverage.confined import locks_itself_in
from tests.coverage.reasons import ROOT

INSIDE = "from pipelines.vision.jail.cage import Cage, confine; print(len(confine(Cage()).holes))"


def test_what_is_reached_behind_all_locks_is_told(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "COVERAGE_PROCESS_CONFIG"}
    environment["COVERAGE_PROCESS_START"] = str(ROOT / "pyproject.toml")
    with collecting(tmp_path / "data") as place:
        done = subprocess.run(
            [sys.executable, "-c", INSIDE], capture_output=True, check=True, timeout=60, cwd=ROOT,
            env={**environment, **place},
        )  # fmt: skip
    assert (done.stdout, done.stderr) == (b"0\n", b"")
    [file] = tmp_path.iterdir()
    told = CoverageData(str(file))
    told.read()
    lines = told.lines(str(ROOT / "pipelines/vision/jail/cage.py"))
    text = (ROOT / "pipelines/vision/jail/cage.py").read_text("utf-8").split("\n")
    last = next(number for number, line in enumerate(text, 1) if "return Verdict(" in line)
    assert lines
    assert last in lines
    told.close(force=True)


@pytest.mark.parametrize(
    ("words", "it_does"),
    [
        (["python", "/opt/bin/citygate-vision", "watch"], True),
        (["python", "-m", "pipelines.vision", "{}"], True),
        (["python", "-c", "from pipelines.vision.jail import cage"], True),
        (["python", "-m", "coverage", "run", "-m", "pytest", "tests/pipelines/vision"], False),
        (["python", "/opt/bin/citygate", "run"], False),
    ],
)
def test_only_what_locks_itself_in_is_heard_in_this_way(words: list[str], *, it_does: bool) -> None:
    assert locks_itself_in(words) == it_does
