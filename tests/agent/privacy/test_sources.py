"""A figure over homes is told when enough stand behind it and none stands out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.product import Privacy
from agent.core.record import Aggregate, State
from agent.privacy.sources import enough

FIVE = Privacy(mode="min-sources", min_sources=5, max_share=0.5)
RULE = Privacy(mode="min-sources", min_sources=15, max_share=0.15)


def whole(*parts: float | None, state: State = State.OK) -> Aggregate:
    known = [one for one in parts if one is not None]
    values = (sum(known) if known else None,)
    return Aggregate("flats.energy", 0.0, 900.0, 30, values, state, parts=tuple((one,) for one in parts))


def test_five_homes_alike_are_told() -> None:
    figure = whole(1.0, 1.0, 1.0, 1.0, 1.0)
    assert enough(figure, FIVE) == figure


@pytest.mark.parametrize(
    "parts",
    [
        (1.0, 1.0, 1.0, 1.0),
        (1.0, 1.0, 1.0, 1.0, None),
        (9.0, 0.0, 0.0, 0.0, 0.0),
        (5.1, 2.0, 1.0, 1.0, 1.0),
        (0.0, 0.0, 0.0, 0.0, 0.0),
    ],
    ids=["four", "one-was-silent", "one-at-home", "one-above-half", "nobody"],
)
def test_too_few_or_one_too_large_or_nothing_at_all_is_withheld(parts: tuple[float | None, ...]) -> None:
    said = enough(whole(*parts), FIVE)
    assert (said.values, said.n, said.state) == ((None,), None, State.SUPPRESSED)


def test_a_home_that_has_just_the_share_that_is_allowed_is_told_with_the_others() -> None:
    assert enough(whole(5.0, 2.0, 1.0, 1.0, 1.0), FIVE).state is State.OK


def test_the_fifteen_fifteen_rule() -> None:
    assert enough(whole(*[1.0] * 15), RULE).state is State.OK
    assert enough(whole(*[1.0] * 14), RULE).state is State.SUPPRESSED
    assert enough(whole(2.5, *[1.0] * 14), RULE).state is State.SUPPRESSED  # 15.2 %


def test_a_window_in_which_nobody_was_heard_is_not_called_suppressed() -> None:
    silent = whole(None, None, state=State.NO_DATA)
    assert enough(silent, FIVE) == silent


@given(st.lists(st.none() | st.floats(0, 1e6), min_size=1, max_size=20))
def test_whatever_is_told_is_mixed_enough(parts: list[float | None]) -> None:
    said = enough(whole(*parts), FIVE)
    if said.state is State.OK:
        known = [one for one in parts if one is not None]
        assert len(known) >= 5
        assert max(known) <= 0.5 * sum(known)
