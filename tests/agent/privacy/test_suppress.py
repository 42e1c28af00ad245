"""Small counts are withheld; suppressed, zero and missing stay three different things."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.core.record import Aggregate, State
from agent.privacy.suppress import suppress


def count(value: float | None, *, n: int = 3, state: State = State.OK) -> Aggregate:
    return Aggregate("door.in", 0.0, 900.0, n, (value,), state)


@pytest.mark.parametrize("value", [0, 1, 4, 4.999])
def test_a_count_below_k_is_withheld_and_zero_too(value: float) -> None:
    said = suppress(count(value), 5)
    assert (said.n, said.values, said.state) == (None, (None,), State.SUPPRESSED)


@pytest.mark.parametrize("value", [5, 6, 1000])
def test_a_count_of_at_least_k_stays_as_it_is(value: float) -> None:
    assert suppress(count(value), 5) == count(value)


def test_a_window_without_data_is_not_called_suppressed() -> None:
    empty = count(None, n=0, state=State.NO_DATA)
    assert suppress(empty, 5) == empty


def test_one_small_value_withholds_its_neighbours() -> None:
    both = Aggregate("door.in", 0.0, 900.0, 7, (12.0, 3.0))
    assert suppress(both, 5).values == (None, None)


@given(
    st.floats(min_value=0, max_value=1e6),
    st.integers(min_value=2, max_value=50),
    st.sampled_from(sorted(set(State) - {State.SUPPRESSED})),
)
def test_whatever_is_said_covers_at_least_k(value: float, k: int, state: State) -> None:
    said = suppress(count(value, state=state), k)
    if state is not State.NO_DATA:
        assert all(one is None or one >= k for one in said.values)
        assert (said.state is State.SUPPRESSED) == (value < k)


def test_a_statistic_that_a_point_does_not_have_withholds_nothing() -> None:
    both = Aggregate("door.in", 0.0, 900.0, 7, (12.0, None))
    assert suppress(both, 5) == both
    assert suppress(replace(both, values=(None, None)), 5).state is State.SUPPRESSED


@pytest.mark.parametrize(("value", "told"), [(10, 10), (12, 10), (12.5, 15), (14, 15), (9, None)])
def test_what_is_told_is_rounded_after_the_threshold(value: float, told: float | None) -> None:
    said = suppress(count(value), 10, 5)
    assert (said.values, said.n) == ((told,), None)


@given(st.floats(0, 1e6), st.integers(2, 20), st.integers(1, 10))
def test_rounding_never_tells_less_than_k(value: float, base: int, times: int) -> None:
    (told,) = suppress(count(value), base * times, base).values
    assert told is None or told >= base * times
