"""Every passage of a line counts once, in its direction, though people tremble, turn round or go around."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.scene import Line as Drawn
from tests.pipelines.vision.walkers import ASPECT, World, counted, crowd, straight, truth

UPWARDS = Drawn(start=(0.5, 0.95), end=(0.5, 0.05))
LINES = (
    UPWARDS,
    Drawn(start=(0.3, 0.9), end=(0.42, 0.2)),
    Drawn(start=(0.8, 0.3), end=(0.65, 0.95)),
)
SIDES = {"from the left": ((0.1, 0.5), (1.2, 0.5)), "from the right": ((1.2, 0.5), (0.1, 0.5))}


@pytest.mark.parametrize(
    ("way", "expected"), list(zip(SIDES.values(), ((0, 1), (1, 0)), strict=True)), ids=SIDES
)
def test_left_and_right_are_those_of_who_walks_along_the_line(
    way: tuple[tuple[float, float], tuple[float, float]], expected: tuple[int, int]
) -> None:
    assert counted([straight(0, *way)], [UPWARDS], World(), np.random.default_rng(0)) == [expected]


def test_a_line_drawn_the_other_way_has_its_sides_changed() -> None:
    downwards = Drawn(start=UPWARDS.end, end=UPWARDS.start)
    walker = straight(0, *SIDES["from the left"])
    assert counted([walker], [downwards], World(), np.random.default_rng(0)) == [(1, 0)]


@given(
    rate=st.floats(2, 25), y=st.floats(0.25, 0.9), slope=st.floats(-0.15, 0.15), speed=st.floats(0.3, 0.9),
    seed=st.integers(0, 2**32),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_whoever_walks_across_is_counted_once(
    rate: float, y: float, slope: float, speed: float, seed: int
) -> None:
    walker = straight(0, (0.1, y), (1.2, y + slope), speed)
    world = World(rate=rate, tremble=0.02, uneven=0.3)
    assert counted([walker], [UPWARDS], world, np.random.default_rng(seed)) == [(0, 1)]


@given(returns=st.integers(1, 4), rate=st.floats(4, 15))
@settings(max_examples=10, deadline=None)
def test_every_way_back_counts(returns: int, rate: float) -> None:
    spots = straight(0, *SIDES["from the left"]).spots[150:-150]
    there_and_back = [spots if leg % 2 == 0 else spots[::-1] for leg in range(returns + 1)]
    walker = straight(0, (0, 0), (1, 0))._replace(spots=np.concatenate(there_and_back))
    [(left, right)] = counted([walker], [UPWARDS], World(rate=rate), np.random.default_rng(0))
    assert (left, right) == ((returns + 1) // 2, returns // 2 + 1)


@given(offset=st.floats(-0.03, 0.03), seed=st.integers(0, 2**32))
@settings(max_examples=8, deadline=None)
def test_who_stands_on_the_line_and_trembles_is_no_passage(offset: float, seed: int) -> None:
    spot = np.array([[0.5 * ASPECT + offset * 0.15, 0.6]])
    walker = straight(0, (0, 0), (1, 0))._replace(spots=np.repeat(spot, 1000, axis=0))
    assert counted([walker], [UPWARDS], World(tremble=0.03), np.random.default_rng(seed)) == [(0, 0)]


def test_who_goes_around_the_end_has_not_crossed() -> None:
    short = Drawn(start=(0.5, 0.5), end=(0.5, 0.2))
    assert counted([straight(0, (0.1, 0.7), (1.2, 0.7))], [short], World(), np.random.default_rng(0)) == [
        (0, 0)
    ]


def test_who_is_first_seen_close_to_the_line_is_counted_at_two_pictures_a_second() -> None:
    """Across before the third sight; the side of the first one is remembered."""
    walker = straight(0, (0.60, 0.5), (1.0, 0.5))
    assert counted([walker], [UPWARDS], World(rate=2), np.random.default_rng(0)) == [(0, 1)]


@pytest.mark.parametrize(("rate", "least"), [(2, 0.90), (3, 0.95), (7, 0.97)])
def test_a_crowd_is_counted_through_gaps_trembling_and_uneven_steps(rate: float, least: float) -> None:
    chance = np.random.default_rng(1)
    walkers = crowd(chance, 60, 120)
    world = World(rate, tremble=0.04, missed=0.08, uneven=0.3)
    wanted = [truth(walkers, one) for one in LINES]
    told = counted(walkers, LINES, world, chance)
    off = np.abs(np.array(wanted) - np.array(told)).sum()
    assert 1 - off / np.sum(wanted) >= least
