"""A rate is read as people write it, counts by the clock's own stretches, and gives nothing back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.rate import Pace, Rate
from tests.virtual import START

HOUR = Rate(3, 3600.0)
BEGUN = math.floor(START / 3600.0) * 3600.0
rates = st.builds(Rate, st.integers(1, 50), st.sampled_from([60.0, 420.0, 900.0, 3600.0, 7200.0, 86400.0]))


@pytest.mark.parametrize(
    ("text", "count", "period"),
    [
        ("12/h", 12, 3600.0),
        ("1/15m", 1, 900.0),
        ("100/d", 100, 86400.0),
        (" 4 / 30 s ", 4, 30.0),
        ("1/s", 1, 1.0),
        ("1000000/31d", 1_000_000, 31 * 86400.0),
    ],
)
def test_a_rate_reads_as_times_in_a_stretch(text: str, count: int, period: float) -> None:
    assert Rate.parse(text) == Rate(count, period)


@pytest.mark.parametrize(
    "text",
    ["", "h", "12", "0/h", "-1/h", "12/0h", "1.5/h", "12/hour", "12/32d", "1000001/h", "1/0.5s"],
)
def test_what_is_no_rate_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected a rate such as"):
        Rate.parse(text)


@given(rates)
def test_what_it_writes_it_reads(rate: Rate) -> None:
    assert Rate.parse(str(rate)) == rate


@pytest.mark.parametrize(
    ("rate", "width", "holds"),
    [
        ("4/h", 900.0, True),
        ("3/h", 900.0, False),
        ("1/h", 3600.0, True),
        ("1/20m", 900.0, False),
        ("2/20m", 900.0, True),
        ("1/m", 900.0, True),
        ("1/d", 86400.0, True),
    ],
)
def test_windows_stay_within_a_rate_or_do_not(rate: str, width: float, *, holds: bool) -> None:
    assert Rate.parse(rate).holds(width) is holds


@given(rates, rates, st.data())
def test_what_stays_within_a_covered_rate_stays_within_the_other(
    wide: Rate, narrow: Rate, data: st.DataObject
) -> None:
    if not wide.covers(narrow):
        return
    first, second = Pace(), Pace()
    for at in sorted(data.draw(st.lists(st.integers(0, 20_000), max_size=60))):
        if first.admit(narrow, START + at):
            assert second.admit(wide, START + at)


def test_a_rate_covers_itself_and_what_is_less_often() -> None:
    assert HOUR.covers(HOUR)
    assert HOUR.covers(Rate(1, 3600.0))
    assert HOUR.covers(Rate(2, 86400.0))
    assert not HOUR.covers(Rate(1, 60.0))
    assert not HOUR.covers(Rate(4, 86400.0))


@pytest.mark.parametrize(
    ("other", "least"),
    [(Rate(3, 1800.0), 6), (Rate(3, 420.0), 30), (Rate(3, 2400.0), 9), (Rate(3, 5400.0), 6)],
    ids=["two-fit", "parts-of-ten", "parts-of-three", "longer-but-no-multiple"],
)
def test_a_rate_must_bear_every_stretch_of_the_other_that_touches_one_of_its_own(
    other: Rate, least: int
) -> None:
    assert Rate(least, 3600.0).covers(other)
    assert not Rate(least - 1, 3600.0).covers(other)


@given(rates, st.lists(st.integers(0, 4000), max_size=200))
def test_in_no_stretch_is_more_admitted_and_nothing_goes_uncounted(rate: Rate, waits: list[int]) -> None:
    pace, at, missed = Pace(), START, 0
    admitted: dict[int, int] = {}
    for wait in waits:
        at += wait
        if pace.admit(rate, at):
            stretch = math.floor(at / rate.period)
            admitted[stretch] = admitted.get(stretch, 0) + 1
        else:
            missed += 1
    assert all(count <= rate.count for count in admitted.values())
    assert sum(admitted.values()) + missed == len(waits)
    assert pace.missed == missed


def test_a_clock_that_is_set_back_gives_nothing_back() -> None:
    pace = Pace()
    assert [pace.admit(HOUR, BEGUN + n) for n in range(4)] == [True, True, True, False]
    assert not pace.admit(HOUR, BEGUN - 3600.0)
    assert not pace.admit(HOUR, BEGUN + 100.0)
    assert pace.admit(HOUR, BEGUN + 3600.0)


@pytest.mark.parametrize("ahead", [7200.0, 1e7])
def test_a_clock_that_was_ahead_by_stretches_does_not_stop_a_route_for_as_long(ahead: float) -> None:
    pace = Pace()
    assert [pace.admit(HOUR, BEGUN + ahead + n) for n in range(4)] == [True, True, True, False]
    assert not pace.admit(HOUR, BEGUN)
    assert pace.admit(HOUR, BEGUN + 3600.0)


def test_what_stayed_behind_is_told_once_and_when_its_stretch_is_over() -> None:
    pace = Pace()
    for n in range(6):
        pace.admit(HOUR, BEGUN + n)
    assert not pace.is_over(HOUR, BEGUN + 3599.0)
    assert pace.is_over(HOUR, BEGUN + 3600.0)
    assert pace.settle() == (3, BEGUN + 3.0, BEGUN + 5.0)
    assert not pace.is_over(HOUR, BEGUN + 3600.0)


def test_a_single_one_that_stayed_behind_is_told_too() -> None:
    pace = Pace()
    for n in range(4):
        pace.admit(HOUR, BEGUN + n)
    assert pace.is_over(HOUR, BEGUN + 3600.0)
    assert pace.settle() == (1, BEGUN + 3.0, BEGUN + 3.0)
