"""Samples that hardly differ are held back; everything that says something passes."""

from __future__ import annotations

import pytest

from agent.core.duration import Duration
from agent.core.point import Kind, Point
from agent.core.sample import Quality
from pipelines.deadband import Deadband
from pipelines.window import Window
from tests.pipelines.stages import Hand
from tests.pipelines.timeline import Timeline

POINT = Point(name="a.b", every=10.0)


def passes(hand: Hand, values: list[float | None], every: float = 10.0) -> list[float | None]:
    """Give the values that pass."""
    return [value for n, value in enumerate(values) if hand.feed(n * every, value)]


def test_a_change_is_measured_from_what_passed_last() -> None:
    hand = Hand(Deadband(absolute=1.0), POINT)
    assert passes(hand, [20.0, 20.5, 20.9, 21.0, 21.9, 20.0]) == [20.0, 21.0, 20.0]


def test_a_percentage_is_of_the_value_that_passed_last() -> None:
    hand = Hand(Deadband(percent=10.0), POINT)
    assert passes(hand, [100.0, 109.0, 110.0, 120.0, 121.0, -50.0, -54.0, -55.0]) == [
        100.0,
        110.0,
        121.0,
        -50.0,
        -55.0,
    ]


def test_either_is_enough() -> None:
    hand = Hand(Deadband(absolute=5.0, percent=50.0), POINT)
    assert passes(hand, [2.0, 2.5, 3.0, 100.0, 104.0, 105.0]) == [2.0, 3.0, 100.0, 105.0]


def test_the_same_value_never_passes_twice_even_with_nothing_to_exceed() -> None:
    hand = Hand(Deadband(absolute=0.0), POINT)
    assert passes(hand, [1.0, 1.0, 1.1, 1.1]) == [1.0, 1.1]


def test_after_a_long_silence_the_next_sample_passes() -> None:
    hand = Hand(Deadband(absolute=1.0, silence=Duration(30)), POINT)
    assert [bool(hand.feed(t, 20.0)) for t in (0, 10, 20, 30, 40, 50, 60)] == [
        True, False, False, True, False, False, True,
    ]  # fmt: skip


def test_a_change_of_quality_always_passes_and_its_repetition_does_not() -> None:
    hand = Hand(Deadband(absolute=1.0), POINT)
    assert hand.feed(0, 20.0)
    assert hand.feed(10, None, why="no_reply")
    assert not hand.feed(20, None, why="no_reply")
    assert hand.feed(30, None, why="exception")
    assert hand.feed(40, 20.0)
    assert hand.feed(50, 20.0, quality=Quality.UNCERTAIN, why="slope")


def test_samples_that_each_count_something_are_never_held_back() -> None:
    door = Point(name="a.b", kind=Kind.COUNT)
    hand = Hand(Deadband(absolute=10.0), door)
    assert passes(hand, [1.0, 1.0, 1.0]) == [1.0, 1.0, 1.0]
    assert hand.points == (door,)


def test_points_say_how_long_their_values_now_hold() -> None:
    assert [point.every for point in Deadband(absolute=1.0).points((POINT,))] == [0.0]
    assert [point.every for point in Deadband(absolute=1.0, silence=Duration(60)).points((POINT,))] == [60.0]
    assert [point.every for point in Deadband(absolute=1.0, silence=Duration(2)).points((POINT,))] == [10.0]


def test_a_window_behind_it_is_fully_observed() -> None:
    time = Timeline((POINT,), (Deadband(absolute=1.0), Window(length="1m", statistics=("mean",))))
    for t in range(0, 130, 10):
        time.until(t)
        time.feed("a.b", 20.0 + 0.01 * t)
    time.until(122)
    assert [one.values for one in time.aggregates] == [(20.0,), (pytest.approx((40 * 20 + 20 * 21) / 60),)]
    assert {one.coverage for one in time.aggregates} == {1.0}


def test_a_deadband_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="how large a change"):
        Deadband()


def test_other_points_pass() -> None:
    hand = Hand(Deadband(absolute=1.0, point="b"), POINT, Point(name="a.c"))
    assert hand.feed(0, 1.0, "a.c")
    assert hand.feed(1, 1.0, "a.c")
    assert hand.tick(2) == []
