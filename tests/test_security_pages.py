"""What the pages about security point at exists: evidence that is gone is no evidence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs" / "security").glob("*.md"))
PLACE = re.compile(r"`((?:agent|config|docs|drivers|pipelines|release|systemd|tests)/[\w./-]+)`")
ROW = re.compile(r"(?m)^\| (?:\d[\w, ]*|[CE]D?R [\d., ]+|\d\.\d+) \|.*$")


def places(page: Path) -> list[str]:
    return PLACE.findall(page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_points_at_is_there(page: Path) -> None:
    assert not [place for place in places(page) if not (ROOT / place).exists()]


def test_the_pages_point_at_much() -> None:
    assert sum(len(places(page)) for page in PAGES) > 60
    assert any("tests/" in place for page in PAGES for place in places(page))


def test_each_requirement_has_an_answer_and_a_place_to_look_at_or_says_what_is_open() -> None:
    rows = ROW.findall((ROOT / "docs" / "security" / "mapping.md").read_text("utf-8"))
    assert len(rows) > 50
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 4, row
        assert all(cells[:3]), row
        assert cells[3] or "*Open:*" in cells[2], row
