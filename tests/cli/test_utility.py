"""`citygate utility` shows what privacy modes leave of a street; the page for the city shows the same."""

from __future__ import annotations

import random
import re
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.privacy.street import after_holding, after_suppression, error_of_noise, merged, quarters

PAGE = Path(__file__).parents[2] / "docs" / "city" / "privacy.md"


def test_the_table_of_the_page_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["utility"]) == 0
    shown = re.findall(r"<!-- citygate utility -->\n```text\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    assert shown == [capsys.readouterr().out]


def test_other_streets_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["utility", "--passages", "12", "45.5", "--days", "3", "--seed", "1"]) == 0
    said = capsys.readouterr().out
    assert "12/h" in said
    assert "45.5/h" in said
    assert "3 days, seed 1" in said


@pytest.mark.parametrize("words", [("--days", "0"), ("--passages", "0"), ("--passages", "-4")])
def test_a_street_without_days_or_passages_is_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["utility", *words]) == 2
    assert "above zero" in capsys.readouterr().err


def test_streets_have_the_passages_they_were_asked_for() -> None:
    for rate in (4, 600):
        counts = quarters(rate, 40, random.Random(3))
        assert len(counts) == 40 * 96
        assert sum(counts) / (40 * 24) == pytest.approx(rate, rel=0.1)


def test_holding_keeps_what_suppression_loses() -> None:
    counts = quarters(20, 40, random.Random(3))
    kept = after_suppression(counts, 5, 900.0)
    assert kept.share == sum(one for one in counts if one >= 5) / sum(counts)
    assert after_holding(counts, 5, 900.0).share > 0.98 > kept.share
    assert after_suppression(merged(counts, 4), 5, 3600.0).share > kept.share


def test_an_error_is_a_share_of_the_count_and_of_one_where_nobody_came() -> None:
    nobody, one, two = (
        error_of_noise([count] * 24 * 40, Fraction(4), random.Random(3)) for count in (0, 1, 2)
    )
    assert nobody == one == 2 * two > 0
