"""`citygate messages` lists the lines of the log and explains each."""

from __future__ import annotations

import json

import pytest

from agent.cli.main import main
from agent.core.catalogue.every import entries

Screen = pytest.CaptureFixture[str]


def test_every_line_is_listed_with_its_level(capsys: Screen) -> None:
    assert main(["messages"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == [one.code for one in entries()]
    assert {row.split()[1] for row in rows} == {"info", "warning", "error", "critical"}


def test_one_line_is_explained_with_what_to_do(capsys: Screen) -> None:
    assert main(["messages", "device-silent"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("device-silent (warning)\nDEVICE does not answer on LINK\n")
    assert "`citygate read DEVICE`" in said


def test_a_code_that_is_unknown_is_answered_with_the_nearest(capsys: Screen) -> None:
    assert main(["messages", "device-silence"]) == 2
    assert 'did you mean "device-silent"' in capsys.readouterr().err


def test_a_script_gets_the_ids_of_the_journal(capsys: Screen) -> None:
    assert main(["messages", "route-refused", "--json"]) == 0
    [one] = json.loads(capsys.readouterr().out)
    assert (one["level"], len(one["id"])) == ("error", 32)
    assert "@" not in one["title"]


def test_the_page_and_the_journals_catalogue_are_made_of_the_same_lines(capsys: Screen) -> None:
    assert main(["messages", "--form", "page"]) == 0
    page = capsys.readouterr().out
    assert main(["messages", "--form", "journal"]) == 0
    catalogue = capsys.readouterr().out
    for one in entries():
        assert one.code in page
        assert f"-- {one.id}\n" in catalogue
