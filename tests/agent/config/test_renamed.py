"""A key that has another name now is understood under the old one, and a person is told until when."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from agent.config import renamed
from agent.config.load import load
from agent.config.renamed import Renamed
from agent.core.errors import ConfigError

SITE = """\
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
timezone = "Europe/Helsinki"
[link.plant-room]
driver = "modbus-tcp"
address = "10.20.0.15"
"""


@pytest.fixture(autouse=True)
def _history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say that the host of a link was once called its address."""
    monkeypatch.setattr(renamed, "RENAMED", (Renamed(("link", "*", "address"), "host", date(2026, 11, 30)),))


def site(folder: Path, text: str) -> Path:
    (folder / "site.toml").write_text(text, "utf-8")
    return folder


def test_the_old_word_means_the_same_and_is_told_with_its_place_and_last_day(tmp_path: Path) -> None:
    old = load(site(tmp_path, SITE))
    assert old.links[0].driver.host == "10.20.0.15"  # type: ignore[attr-defined]
    [told] = [one for one in old.warnings if "is called" in one]
    assert (
        told == 'site.toml:8:1: "address" is called "host" now; the old word is understood until 2027-11-30'
    )
    new = load(site(tmp_path, SITE.replace("address", "host")))
    assert new.links == old.links


@pytest.mark.parametrize(
    ("since", "until"),
    [(date(2026, 11, 30), date(2027, 11, 30)), (date(2028, 2, 29), date(2029, 2, 28))],
)
def test_the_old_word_is_understood_for_a_year(since: date, until: date) -> None:
    assert Renamed(("link", "*", "address"), "host", since).until == until


def test_a_fault_in_it_is_shown_where_it_stands(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"site\.toml:8:11: "):
        load(site(tmp_path, SITE.replace('"10.20.0.15"', "7")))


def test_both_words_at_once_are_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'site\.toml:8:1: unknown key "address"'):
        load(site(tmp_path, f'{SITE}host = "10.20.0.16"\n'))


def test_in_two_files_they_are_the_same_key_twice(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text('[link.plant-room]\nhost = "10.20.0.16"\n', "utf-8")
    with pytest.raises(ConfigError, match="already set"):
        load(site(tmp_path, SITE))


def test_an_old_word_below_what_is_no_table_is_left_to_who_explains_that(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a table"):
        load(site(tmp_path, SITE.partition("[link")[0] + "[link]\nplant-room = 5\n"))
