"""`citygate policy` shows, exports and compares what is shared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli.main import main
from tests.cli.conftest import lay


def test_the_table_says_who_gets_what_until_when(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "show", str(site)]) == 0
    out = capsys.readouterr().out
    assert "15m mean max delta" in out
    assert "2030-12-31" in out
    assert "gateway" in out


def test_a_script_gets_the_deals(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "show", str(site), "--form", "json"]) == 0
    [deal] = json.loads(capsys.readouterr().out)["deals"]
    assert (deal["recipient"], deal["product"], deal["keep"]) == ("city", "energy", 400.0)


@pytest.mark.parametrize(
    ("form", "begin"), [("markdown", "# What leaves library"), ("csv", "recipient,party,")]
)
def test_page_and_sheet_are_printed(
    site: Path, capsys: pytest.CaptureFixture[str], form: str, begin: str
) -> None:
    assert main(["policy", "show", str(site), "--form", form]) == 0
    assert capsys.readouterr().out.startswith(begin)


def test_two_policies_are_compared_and_the_status_tells(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = lay(tmp_path / "after")
    assert main(["policy", "diff", str(site), str(after)]) == 0
    assert "share the same" in capsys.readouterr().out
    sharing = after / "sharing.toml"
    sharing.write_text(sharing.read_text("utf-8").replace("2030-12-31", "2031-12-31"), "utf-8")
    assert main(["policy", "diff", str(site), str(after)]) == 1
    assert "~ city / energy: until 2030-12-31 -> 2031-12-31" in capsys.readouterr().out


def test_a_day_that_is_none_is_refused_in_a_sentence(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "show", str(site), "--date", "tomorrow"]) == 2
    assert capsys.readouterr().err == '--date: "tomorrow" is no day; write 2027-12-31\n'


def test_check_lists_what_each_wish_matched(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(site)]) == 0
    out = capsys.readouterr().out
    assert "What each `from` matched" in out
    assert "main-meter.active_power, main-meter.import_energy" in out
