"""Noise first, everything else after it; the true count is compared with nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.product import Privacy
from agent.core.record import Aggregate, State
from agent.privacy.noise import noisy

PLAIN = Privacy(mode="dp", epsilon="1", sensitivity=1)


def count(value: float | None, *, n: int = 3, state: State = State.OK) -> Aggregate:
    return Aggregate("door.in", 0.0, 900.0, n, (value,), state)


@pytest.mark.parametrize(("value", "noise", "told"), [(7.0, 2, 9), (0.0, -3, -3), (0.0, 0, 0), (3.0, -1, 2)])
def test_the_noise_is_added_and_the_number_of_samples_withheld(value: float, noise: int, told: int) -> None:
    said = noisy(count(value), [noise], PLAIN)
    assert (said.values, said.n, said.state) == ((told,), None, State.OK)


def test_a_count_with_a_fraction_leaves_as_a_whole_number() -> None:
    assert noisy(count(2.4), [1], PLAIN).values == (3,)


def test_rounding_and_clamping_follow_the_noise() -> None:
    rounding = Privacy(mode="dp", epsilon="1", sensitivity=1, round=5)
    assert [noisy(count(1.0), [n], rounding).values[0] for n in (1, 2, -3, -4)] == [0, 5, 0, -5]
    clamping = Privacy(mode="dp", epsilon="1", sensitivity=1, clamp=True)
    assert [noisy(count(1.0), [n], clamping).values[0] for n in (1, -1, -9)] == [2, 0, 0]


def test_a_value_for_which_no_noise_was_drawn_has_no_way_out() -> None:
    two = Aggregate("door.in", 0.0, 900.0, 3, (7.0, 8.0))
    with pytest.raises(ValueError, match="shorter"):
        noisy(two, [1], PLAIN)


def test_a_device_that_told_nothing_stays_without_data() -> None:
    silent = count(None, n=0, state=State.NO_DATA)
    assert noisy(silent, [4], PLAIN) == silent


@given(st.integers(0, 10**6), st.integers(-50, 50), st.booleans(), st.sampled_from([0, 2, 5, 10]))
def test_no_count_is_ever_withheld_and_one_passage_moves_it_by_one_before_rounding(
    value: int, noise: int, clamp: bool, base: int
) -> None:
    privacy = Privacy(mode="dp", epsilon="1", sensitivity=1, clamp=clamp, round=base)
    told = [noisy(count(float(one)), [noise], privacy) for one in (value, value + 1)]
    assert all(one.state is State.OK and one.values[0] is not None for one in told)
    first, second = (one.values[0] or 0 for one in told)
    assert 0 <= second - first <= max(1, base)
    # what leaves depends on count and noise together only: nothing looks at the count itself
    assert noisy(count(float(value + 1)), [noise - 1], privacy).values == told[0].values
