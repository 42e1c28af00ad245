"""Durations read and write as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.duration import UNITS, Duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10),
        ("15m", 900),
        ("2h", 7200),
        ("400d", 34_560_000),
        ("1w", 604_800),
        ("250ms", 0.25),
        (" 1.5 h ", 5400),
    ],
)
def test_a_duration_reads_as_seconds(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "10", 10, 1.5, None, True, "10 seconds", "-1s", "1h30m", "1M", "s", "1e3s", "9" * 400 + "w"]
)
def test_what_has_no_unit_is_refused_with_what_was_expected(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration such as"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (10, "10s"),
        (60, "1m"),
        (900, "15m"),
        (90, "90s"),
        (7200, "2h"),
        (86400, "1d"),
        (0.25, "250ms"),
        (1.5, "1.5s"),
    ],
)
def test_a_duration_writes_as_people_do(seconds: float, text: str) -> None:
    assert str(Duration(seconds)) == text


@given(st.integers(0, 100_000), st.sampled_from(sorted(UNITS)))
def test_what_it_writes_it_reads(number: int, unit: str) -> None:
    duration = Duration.parse(f"{number}{unit}")
    assert Duration.parse(str(duration)) == pytest.approx(duration)
