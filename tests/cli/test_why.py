"""`citygate why` shows the way, and ends with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main
from tests.cli.test_status import daemon

Screen = pytest.CaptureFixture[str]


def stage(name: str, verdict: str, says: str, act: str = "") -> dict[str, str]:
    return {"name": name, "verdict": verdict, "says": says, "act": act}


def answer(*stages: dict[str, str]) -> dict[str, Any]:
    arrives = all(one["verdict"] != "stops" for one in stages)
    way = {"product": "energy", "recipient": "city", "arrives": arrives, "stages": list(stages)}
    return {"name": "energy", "kind": "product", "arrives": arrives, "ways": [way]}


def test_the_first_stage_that_stops_it_comes_last_with_what_to_do(tmp_path: Path, capsys: Screen) -> None:
    link = stage("link", "passes", "link hall runs")
    grant = stage("grant", "stops", "no grant shares energy with city", "that is for the city to decide")
    with daemon(tmp_path / "socket", answer(link, grant)):
        assert main(["why", "energy", "--socket", str(tmp_path / "socket")]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "energy -> city",
        "  stage        what was found",
        "  link   ok    link hall runs",
        "  grant  STOP  no grant shares energy with city",
        "  Next: that is for the city to decide",
    ]


def test_what_arrives_ends_well_and_tells_its_doubts(tmp_path: Path, capsys: Screen) -> None:
    window = stage("window", "doubtful", "the last window is not whole", "citygate read main-meter")
    with daemon(tmp_path / "socket", answer(window, stage("broker", "passes", "the broker takes it"))):
        assert main(["why", "energy", "city", "--socket", str(tmp_path / "socket")]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["It arrives.", "  But see: citygate read main-meter"]
