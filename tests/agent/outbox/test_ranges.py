"""Ranges hold what a set of numbers would, in as few pieces as there can be."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.outbox.ranges import Ranges

TOP = 7
PAIRS = [(first, last) for first in range(TOP) for last in range(first - 1, TOP)]


def numbers(pairs: list[tuple[int, int]]) -> set[int]:
    return {one for first, last in pairs for one in range(first, last + 1)}


def check(pairs: list[tuple[int, int]]) -> None:
    ranges, model = Ranges(pairs), numbers(pairs)
    told = list(ranges)
    assert numbers(told) == model
    assert len(ranges) == len(told)
    assert told == sorted(told)
    assert all(first <= last for first, last in told)
    assert all(after[0] > before[1] + 1 for before, after in pairwise(told)), "they touch"
    assert {one for one in range(-2, 60) if one in ranges} == model


@pytest.mark.parametrize("first", PAIRS)
def test_any_three_stretches_are_one_set(first: tuple[int, int]) -> None:
    for others in product(PAIRS[::2], PAIRS[::3]):
        check([first, *others])


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=20))
def test_many_stretches_are_one_set(pairs: list[tuple[int, int]]) -> None:
    check([(first, first + more) for first, more in pairs])


@pytest.mark.parametrize("first", PAIRS)
def test_holes_are_what_is_missing_above_a_floor(first: tuple[int, int]) -> None:
    for second, floor, top in product(PAIRS[::2], range(-1, 4), range(3, TOP + 2)):
        ranges = Ranges([first, second])
        holes = ranges.holes(floor, top)
        missing = [one for after, last in holes for one in range(after + 1, last + 1)]
        assert missing == [one for one in range(floor + 1, top + 1) if one not in ranges]
        assert all(after < last for after, last in holes), "a hole of nothing"


def test_what_is_no_number_is_not_in_it() -> None:
    assert "1" not in Ranges([(1, 1)])


def test_a_copy_goes_its_own_way() -> None:
    ranges = Ranges([(1, 3)])
    other = ranges.copy()
    other.add(4, 9)
    assert (list(ranges), list(other)) == ([(1, 3)], [(1, 9)])
