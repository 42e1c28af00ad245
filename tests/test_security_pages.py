"""What the pages about security point at exists: evidence that is gone is no evidence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs" / "security").glob("*.md"))
PLACE = re.compile(r"`((?:agent|config|docs|drivers|pipelines|release|systemd|tests)/[\w./-]+)`")
ROW = re.compile(r"(?m)^\| (?:\d[\w, ]*|[CE]D?R [\d., ]+|\d\.\d+) \|.*$")
NUMBERS = {
    "Cyber Resilience Act, Annex I, part I": {"1", *(f"2{letter}" for letter in "abcdefghijklm")},
    "Cyber Resilience Act, Annex I, part II": {str(one) for one in range(1, 9)},
    "ETSI EN 303 645": {*(f"5.{one}" for one in range(1, 14)), "6"},
}
"""What each of them consists of, whole; where the numbers are from, the page says."""
COMPONENTS = {  # the last number of each chapter, and the numbers that are those of one kind of component
    "CR": {1: (14, {6, 13}), 2: (12, {4}), 3: (9, {2}), 4: (3, set()), 6: (2, set()), 7: (8, {5})},
    "EDR": {2: (13, {*range(1, 13)} - {4}), 3: (14, {*range(1, 10)} - {2})},
}


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


def parts() -> dict[str, list[str]]:
    """Give the numbers of each part of the page on requirements; ``2.9, 2.10`` are two."""
    page = (ROOT / "docs" / "security" / "mapping.md").read_text("utf-8")
    found: dict[str, list[str]] = {}
    for part in page.split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        cells = [row.strip("|").split("|")[0].strip() for row in ROW.findall(text)]
        found[title] = [one.strip() for cell in cells for one in cell.split(",")]
    return found


@pytest.mark.parametrize("title", NUMBERS)
def test_each_number_of_a_public_text_has_its_row_and_no_other_has(title: str) -> None:
    found = parts()[title]
    assert set(found) == NUMBERS[title]
    assert len(found) == len(set(found))


def test_each_component_requirement_exists_under_its_letters() -> None:
    kind, seen = "", []
    for one in parts()["IEC 62443-4-2, component requirements"]:
        kind, number = one.split() if " " in one else (kind, one)
        chapter, at = map(int, number.split("."))
        last, others = COMPONENTS[kind][chapter]
        assert 1 <= at <= last, one
        assert at not in others, one
        seen.append((kind, chapter, at))
    assert len(seen) == len(set(seen)) > 30
