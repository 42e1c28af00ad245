"""Epsilon is what stands in the file, to the last digit."""

from __future__ import annotations

import tomllib
from fractions import Fraction

import pytest

from agent.privacy.epsilon import exact_epsilon


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("0.1", Fraction(1, 10)),
        ("1", Fraction(1)),
        ("2.5", Fraction(5, 2)),
        ("0.333", Fraction(333, 1000)),
        ('"1/3"', Fraction(1, 3)),
        ('" 1 / 4 "', Fraction(1, 4)),
        ('"0.25"', Fraction(1, 4)),
        ("1e-2", Fraction(1, 100)),
        ("10", Fraction(10)),
    ],
)
def test_it_is_read_exactly(text: str, exact: Fraction) -> None:
    assert exact_epsilon(tomllib.loads(f"e = {text}")["e"]) == exact


@pytest.mark.parametrize(
    "written", [0, -1.0, 11, "1/200", 0.12345, "1/1001", "a half", "1/0", "", float("nan"), float("inf")]
)
def test_what_is_no_protection_or_cannot_be_exact_is_refused(written: str | float) -> None:
    with pytest.raises(ValueError, match=r"between|decimals|expected"):
        exact_epsilon(written)
