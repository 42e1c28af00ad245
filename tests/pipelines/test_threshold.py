"""A crossing is told once when it has lasted, and taken back once when it is over."""

from __future__ import annotations

import pytest

from agent.core.duration import Duration
from agent.core.point import Point
from agent.core.record import Event
from agent.core.sample import Quality, Sample
from pipelines.threshold import Threshold
from tests.pipelines.stages import Hand, instant
from tests.pipelines.timeline import EIGHT

FILTER = Point(name="a.b", unit="Pa", every=10.0, label="Filter")


def kinds(hand: Hand, values: list[float | None]) -> list[str]:
    """Feed *values* ten seconds apart; give the kinds of the events that come."""
    return [event.kind for n, value in enumerate(values) for event in hand.events(10.0 * n, value)]


def test_a_crossing_and_the_return_are_told_once_each() -> None:
    hand = Hand(Threshold(above=250.0), FILTER)
    assert kinds(hand, [240.0, 251.0, 260.0, 251.0, 250.0, 240.0]) == ["threshold", "threshold_end"]


def test_an_event_says_what_when_and_how_bad() -> None:
    hand = Hand(Threshold(above=250.0, severity="critical"), FILTER)
    (event,) = hand.events(70, 251.0)
    assert event == Event(
        "a.b", "threshold", "critical", EIGHT + 70, 251.0, "Pa", "Filter above 250 Pa", 70.0, True
    )
    (end,) = hand.events(80, 100.0)
    assert (end.kind, end.text, end.at) == ("threshold_end", "no longer: Filter above 250 Pa", EIGHT + 80)


def test_the_text_is_as_the_settings_say() -> None:
    hand = Hand(Threshold(below=5.0, text="hall too cold"), FILTER)
    assert [event.text for event in hand.events(0, 4.0)] == ["hall too cold"]


def test_samples_pass_through_before_their_event() -> None:
    hand = Hand(Threshold(above=1.0), FILTER)
    sample, event = hand.feed(0, 2.0)
    assert isinstance(sample, Sample)
    assert isinstance(event, Event)


def test_a_value_within_the_hysteresis_changes_nothing() -> None:
    hand = Hand(Threshold(above=250.0, hysteresis=20.0), FILTER)
    assert kinds(hand, [251.0, 249.0, 251.0, 231.0, 230.0, 249.0, 251.0]) == [
        "threshold",
        "threshold_end",
        "threshold",
    ]


def test_a_value_must_stay_beyond_for_as_long_as_asked() -> None:
    hand = Hand(Threshold(above=250.0, lasting=Duration(30)), FILTER)
    assert kinds(hand, [251.0, 251.0, 240.0, 251.0, 251.0, 251.0]) == []
    (event,) = hand.events(60, 251.0)
    assert event.at == EIGHT + 60


def test_a_crossing_ripens_between_two_samples() -> None:
    hand = Hand(Threshold(above=250.0, lasting=Duration(15)), FILTER)
    hand.feed(0, 251.0)
    assert hand.tick(14) == []
    (event,) = hand.tick(15)
    assert isinstance(event, Event)
    assert event.boot == 15.0
    assert hand.tick(16) == []


def test_a_crossing_does_not_ripen_on_a_value_of_long_ago() -> None:
    hand = Hand(Threshold(above=250.0, lasting=Duration(60)), FILTER)
    hand.feed(0, 251.0)
    assert hand.tick(61) == []


def test_a_bad_sample_breaks_what_had_not_lasted_yet_and_ends_nothing() -> None:
    hand = Hand(Threshold(above=250.0, lasting=Duration(20)), FILTER)
    assert kinds(hand, [251.0, 251.0, None, 251.0, 251.0]) == []
    assert [event.kind for event in hand.events(50, 251.0)] == ["threshold"]
    assert hand.events(60, None) == []
    assert hand.events(70, 251.0) == []


def test_uncertain_values_are_not_judged() -> None:
    hand = Hand(Threshold(above=250.0), FILTER)
    assert len(hand.feed(0, 999.0, quality=Quality.UNCERTAIN, why="slope")) == 1


def test_from_one_side_to_the_other_both_are_told() -> None:
    hand = Hand(Threshold(above=25.0, below=15.0), FILTER)
    assert kinds(hand, [26.0, 10.0]) == ["threshold", "threshold_end"]
    (event,) = hand.tick(11)
    assert isinstance(event, Event)
    assert (event.kind, event.text) == ("threshold", "Filter below 15 Pa")


def test_what_was_told_before_a_restart_is_not_told_again() -> None:
    hand = Hand(Threshold(above=250.0), FILTER)
    hand.feed(0, 251.0)
    saved = hand.stage.save(stopping=False)  # type: ignore[attr-defined]
    again = Hand(Threshold(above=250.0), FILTER, saved=saved)
    assert kinds(again, [252.0, 100.0]) == ["threshold_end"]


def test_nothing_is_written_down_of_personal_points() -> None:
    hand = Hand(Threshold(above=1.0), Point(name="a.b", personal=True))
    hand.feed(0, 2.0)
    assert hand.stage.save(stopping=True) is None  # type: ignore[attr-defined]


def test_stamps_follow_the_clock_as_it_is_set() -> None:
    hand = Hand(Threshold(above=1.0), FILTER)
    moment = instant(5)
    list(hand.stage.tick(type(moment)(5.0, EIGHT + 1000.0, False)))
    (event,) = hand.events(6, 2.0)
    assert (event.at, event.synced) == (EIGHT + 1001, False)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "which limit"),
        ({"above": 1.0, "below": 1.0}, "less than"),
        ({"above": 2.0, "below": 1.0, "hysteresis": 1.5}, "wider"),
    ],
)
def test_limits_that_make_no_sense_are_refused(settings: dict[str, float], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Threshold(**settings)  # type: ignore[arg-type]


def test_a_value_below_its_limit_is_back_only_beyond_the_hysteresis() -> None:
    hand = Hand(Threshold(below=5.0, hysteresis=1.0), FILTER)
    assert kinds(hand, [4.0, 5.5, 5.9, 6.0]) == ["threshold", "threshold_end"]
    assert kinds(hand, [4.0, 5.5, 4.0, 6.1]) == ["threshold", "threshold_end"]


def test_other_points_and_events_of_earlier_steps_pass() -> None:
    hand = Hand(Threshold(point="b", above=1.0), FILTER)
    assert hand.feed(0, 99.0, "x.y") == [Sample("x.y", 99.0, 0.0)]
    event = Event("a.b", "transition", "warning", 0.0, 1.0, "1", "")
    assert list(hand.stage.feed(event)) == [event]
