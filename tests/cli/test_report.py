"""`citygate report` writes what people who ask may have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.report.phrases import languages

Screen = pytest.CaptureFixture[str]


def test_the_annex_comes_in_two_forms(site: Path, tmp_path: Path, capsys: Screen) -> None:
    where = ["--state", str(tmp_path)]
    assert main(["report", "privacy", str(site), *where]) == 0
    assert capsys.readouterr().out.startswith(
        "# Annex to the data-protection impact assessment: library, vaasa\n"
    )
    assert main(["report", "privacy", str(site), "--format", "html", *where]) == 0
    assert capsys.readouterr().out.startswith("<!DOCTYPE html>")


def test_one_file_holds_each_language_that_was_asked_for(site: Path, capsys: Screen) -> None:
    assert main(["report", "notice", str(site), "--language", "fi", "sv"]) == 0
    said = capsys.readouterr().out
    assert [said.count(f'<section lang="{code}">') for code in ("fi", "sv", "en")] == [1, 1, 0]


def test_a_folder_gets_a_page_for_each_group_and_language_and_the_register(
    site: Path, tmp_path: Path, capsys: Screen
) -> None:
    folder = tmp_path / "public"
    assert main(["report", "notice", str(site), "--language", "en", "de", "--into", str(folder)]) == 0
    written = sorted(one.name for one in folder.iterdir())
    assert written == ["plant-room.de.html", "plant-room.en.html", "register.json"]
    assert str(folder / "register.json") in capsys.readouterr().out
    [record] = json.loads((folder / "register.json").read_text("utf-8"))
    assert record["id"] == "vaasa/library/gw1/plant-room"
    assert record["measures"].keys() == {"en", "de"}
    assert record["shared"][0]["recipient"] == "city"


def test_the_register_goes_to_a_script_too(site: Path, capsys: Screen) -> None:
    assert main(["report", "notice", str(site), "--json"]) == 0
    [record] = json.loads(capsys.readouterr().out)
    assert record["schema"] == "citygate/sensor-record/1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--language", "xx"), f"there are {', '.join(languages())}"),
        (("--link", "cellar"), 'no link is called "cellar"; there are plant-room'),
    ],
)
def test_a_language_or_link_that_is_not_there_is_refused(
    words: tuple[str, ...], said: str, site: Path, capsys: Screen
) -> None:
    assert main(["report", "notice", str(site), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_site_without_links_has_nothing_to_tell(site: Path, capsys: Screen) -> None:
    text = (site / "site.toml").read_text("utf-8")
    (site / "site.toml").write_text(text[: text.index("[link")], "utf-8")
    (site / "sharing.toml").unlink()
    assert main(["report", "notice", str(site)]) == 2
    assert capsys.readouterr().err == "there is nothing to tell: this site has no link\n"


def test_one_link_alone_can_be_told_of(site: Path, capsys: Screen) -> None:
    with (site / "site.toml").open("a", encoding="utf-8") as file:
        file.write('\n[link.roof]\ndriver = "modbus-tcp"\nhost = "10.0.0.1"\n[device.sun]\nlink = "roof"\n')
        file.write("[device.sun.points]\npower = { addr = 1 }\n")
    assert main(["report", "notice", str(site), "--link", "roof", "--json"]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == ["vaasa/library/gw1/roof"]
