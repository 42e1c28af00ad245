"""Requests are told apart by the length of their replies, or not asked at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.ghosts import Ghosts, longer
from drivers.modbus.request import Request

TWO = Request(1, "holding", 10, 2, longer=(4, 6))


def test_a_request_stays_as_it_is_while_nothing_is_outstanding() -> None:
    assert Ghosts().told_apart(TWO) is TWO


def test_each_one_given_up_makes_the_next_longer_until_none_is_left() -> None:
    ghosts, counts = Ghosts(), []
    for _ in range(4):
        asked = ghosts.told_apart(TWO)
        counts.append(asked and asked.count)
        if asked:
            ghosts.given_up(asked, 1.0)
    assert counts == [2, 4, 6, None]


def test_another_function_or_another_length_is_no_danger() -> None:
    ghosts = Ghosts()
    ghosts.given_up(TWO, 1.0)
    for other in (Request(1, "input", 10, 2), Request(1, "holding", 50, 3), Request(1, "coil", 0, 32)):
        assert ghosts.told_apart(other) is other


def test_an_exception_is_doubted_only_if_something_of_its_function_is_outstanding() -> None:
    ghosts = Ghosts()
    ghosts.given_up(TWO, 1.0)
    assert ghosts.doubts(Request(1, "holding", 900, 60))
    assert not ghosts.doubts(Request(1, "input", 10, 2))
    ghosts.clear()
    assert not ghosts.doubts(TWO)


def test_more_than_eight_are_too_many() -> None:
    ghosts = Ghosts()
    for count in range(1, 9):
        ghosts.given_up(Request(1, "holding", 0, count), float(count))
    assert not ghosts.too_many
    ghosts.given_up(Request(1, "holding", 0, 9), 9.0)
    assert ghosts.too_many
    assert ghosts.newest == 9.0


@given(
    st.integers(0, 300),
    st.integers(1, 60),
    st.lists(st.integers(0, 500), max_size=20),
    st.integers(1, 125),
    st.sampled_from(("holding", "coil")),
)
def test_a_request_grows_only_to_the_ends_of_values_and_within_the_limit(
    start: int, count: int, ends: list[int], most: int, table: str
) -> None:
    request = Request(1, "coil" if table == "coil" else "holding", start, count)
    counts = longer(request, tuple(ends), most)
    assert list(counts) == sorted(counts)
    sizes = [Request(1, request.table, start, one).reply_bytes for one in counts]
    assert len({request.reply_bytes, *sizes}) == len(sizes) + 1, "no two replies are of one length"
    for one in counts:
        assert count < one <= most
        assert start + one in ends


def test_no_request_reaches_beyond_the_last_address() -> None:
    assert longer(Request(1, "holding", 0xFFFE, 1), (0x10000, 0x10002), 125) == (2,)


def test_a_request_may_grow_to_the_very_limit_of_its_device() -> None:
    assert longer(Request(1, "holding", 0, 4), (4, 8, 9), 8) == (8,)
