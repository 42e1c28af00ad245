"""`citygate doctor` tells what is wrong first, each with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli.doctor import lines
from agent.cli.main import main
from agent.doctor.finding import notice, well, wrong

Screen = pytest.CaptureFixture[str]


def test_what_is_wrong_comes_first_with_what_to_do() -> None:
    found = [
        well("disk", "8 GB are free"),
        notice("swap", "there is some", "swapoff -a"),
        wrong("a", "b", "c"),
    ]
    assert lines(found, everything=False) == [
        "  WRONG  a: b",
        "         -> c",
        "  notice swap: there is some",
        "         -> swapoff -a",
        "1 well, 1 worth knowing, 1 wrong.",
    ]
    assert "  ok     disk: 8 GB are free" in lines(found, everything=True)


def test_a_gateway_that_does_not_run_is_wrong(site: Path, tmp_path: Path, capsys: Screen) -> None:
    words = [str(site), "--state", str(tmp_path), "--socket", str(tmp_path / "none")]
    assert main(["doctor", *words, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    [gateway] = [one for one in found if one["what"] == "gateway"]
    assert (gateway["verdict"], gateway["says"]) == ("wrong", "none runs here")
    assert all(one["act"] for one in found if one["verdict"] != "well")


def test_a_person_reads_what_is_wrong_first_and_all_where_it_is_wished(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [str(site), "--state", str(tmp_path), "--socket", str(tmp_path / "none")]
    assert main(["doctor", *where]) == 1
    few = capsys.readouterr().out
    assert "none runs here" in few.splitlines()[0]
    assert main(["doctor", *where, "--all"]) == 1
    assert len(capsys.readouterr().out.splitlines()) > len(few.splitlines())
