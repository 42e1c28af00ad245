"""A change of state is told once, with the texts of both, and never more often than the pause allows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.duration import Duration
from agent.core.point import Kind, Point, Scope
from agent.core.record import Event
from agent.core.sample import Quality, Sample
from pipelines.transition import Transition
from tests.pipelines.stages import Hand
from tests.pipelines.timeline import EIGHT

FAN = Point(
    name="a.b", kind=Kind.STATE, every=10.0, label="Fan", states=((0, "off"), (1, "on"), (2, "fault"))
)
QUICK = Duration(1)


def told(hand: Hand, values: list[float | None]) -> list[str]:
    """Feed *values* ten seconds apart; give the texts of the events that come."""
    return [event.text for n, value in enumerate(values) for event in hand.events(10.0 * n, value)]


def test_a_change_is_told_with_the_texts_of_both_states() -> None:
    hand = Hand(Transition(severities={"fault": "critical"}), FAN)
    assert hand.events(0, 1.0) == []
    (event,) = hand.events(70, 2.0)
    assert event == Event(
        "a.b", "transition", "critical", EIGHT + 70, 2.0, "1", "Fan: fault (was on)", 70.0, True
    )


def test_samples_pass_through_before_their_event() -> None:
    hand = Hand(Transition(), FAN)
    hand.feed(0, 0.0)
    sample, event = hand.feed(10, 1.0)
    assert isinstance(sample, Sample)
    assert isinstance(event, Event)


def test_a_state_that_stays_is_told_once() -> None:
    hand = Hand(Transition(pause=QUICK), FAN)
    assert told(hand, [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]) == ["Fan: on (was off)", "Fan: off (was on)"]


def test_a_state_without_a_text_is_told_by_its_number_and_a_point_without_a_label_by_its_name() -> None:
    hand = Hand(Transition(), Point(name="a.b", kind=Kind.STATE))
    assert told(hand, [3.0, 4.0]) == ["a.b: state 4 (was state 3)"]


def test_only_the_named_states_are_told_and_that_they_are_over() -> None:
    hand = Hand(Transition(states=("fault",), pause=QUICK), FAN)
    assert told(hand, [0.0, 1.0, 2.0, 0.0, 1.0]) == ["Fan: fault (was on)", "Fan: off (was fault)"]


def test_states_may_be_named_by_number() -> None:
    hand = Hand(Transition(states=("2",), severities={"2": "warning"}, pause=QUICK), FAN)
    hand.feed(0, 0.0)
    assert [event.severity for event in hand.events(10, 2.0)] == ["warning"]


def test_a_trouble_that_was_there_before_us_is_told_and_a_usual_state_is_not() -> None:
    step = Transition(severities={"fault": "critical"})
    assert told(Hand(step, FAN), [2.0]) == ["Fan: fault"]
    assert told(Hand(step, FAN), [1.0]) == []


def test_a_state_that_flickers_tells_one_event_a_pause_and_what_it_is_by_then() -> None:
    hand = Hand(Transition(pause=Duration(60)), FAN)
    values: list[float | None] = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0]
    assert told(hand, values) == ["Fan: on (was off)", "Fan: off (was on)"]


def test_what_is_back_by_the_end_of_the_pause_is_not_told() -> None:
    hand = Hand(Transition(pause=Duration(60)), FAN)
    assert told(hand, [0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]) == ["Fan: on (was off)"]


def test_a_pause_ends_between_two_samples_and_the_event_says_when_it_began() -> None:
    hand = Hand(Transition(pause=Duration(25)), FAN)
    hand.feed(0, 0.0)
    hand.feed(10, 1.0)
    assert hand.events(20, 0.0) == []
    assert hand.tick(34) == []
    (event,) = hand.tick(35)
    assert isinstance(event, Event)
    assert (event.text, event.boot) == ("Fan: off (was on)", 20.0)
    assert hand.tick(36) == []


def test_a_state_must_last_for_as_long_as_asked() -> None:
    hand = Hand(Transition(lasting=Duration(20), pause=QUICK), FAN)
    assert told(hand, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]) == []
    (event,) = [one for t in (70, 80, 90) for one in hand.events(t, 1.0)]
    assert event.boot == 90.0


def test_nothing_ripens_on_a_value_of_long_ago() -> None:
    hand = Hand(Transition(lasting=Duration(60)), FAN)
    hand.feed(0, 0.0)
    assert hand.tick(61) == []


def test_bad_and_doubtful_samples_change_no_state() -> None:
    hand = Hand(Transition(pause=QUICK), FAN)
    hand.feed(0, 1.0)
    assert hand.events(10, None) == []
    assert len(hand.feed(20, 2.0, quality=Quality.UNCERTAIN, why="stuck")) == 1
    assert [event.text for event in hand.events(30, 0.0)] == ["Fan: off (was on)"]


def test_a_restart_tells_what_changed_meanwhile_and_nothing_twice() -> None:
    hand = Hand(Transition(), FAN)
    hand.feed(0, 1.0)
    saved = hand.stage.save(stopping=False)  # type: ignore[attr-defined]
    assert told(Hand(Transition(), FAN, saved=saved), [1.0]) == []
    assert told(Hand(Transition(), FAN, saved=saved), [2.0]) == ["Fan: fault (was on)"]


@pytest.mark.parametrize("point", [{"personal": True}, {"scope": Scope.WORKSPACE}])
def test_nothing_is_written_down_of_points_that_tell_about_people(point: dict[str, Any]) -> None:
    hand = Hand(Transition(), Point(name="a.b", kind=Kind.STATE, **point))
    hand.feed(0, 1.0)
    assert hand.stage.save(stopping=True) is None  # type: ignore[attr-defined]


def test_points_of_other_kinds_pass_untouched() -> None:
    hand = Hand(Transition(pause=QUICK), FAN, Point(name="a.c", kind=Kind.GAUGE))
    assert len(hand.feed(0, 1.0, "a.c")) == len(hand.feed(10, 7.0, "a.c")) == 1


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"point": "a.c"}, '"a.c" is a gauge: only points of kind state'),
        ({"point": "a.x"}, 'no point here is called "a.x"'),
        ({"states": ("broken",)}, 'no point here has a state "broken"; known: off, on, fault'),
        ({"severities": {"tripped": "critical"}}, 'no point here has a state "tripped"'),
    ],
)
def test_what_can_never_happen_is_refused(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Transition(**settings).points((FAN, Point(name="a.c")))


@given(st.lists(st.tuples(st.floats(0.1, 40), st.sampled_from([0.0, 1.0, 2.0])), max_size=60))
def test_no_point_ever_tells_more_than_one_event_a_pause(steps: list[tuple[float, float]]) -> None:
    hand = Hand(Transition(pause=Duration(30)), FAN)
    at, moments = 0.0, []
    for wait, value in steps:
        at += wait
        moments += [at for _ in hand.events(at, value)]
    # the very sum that the step waits for: a difference may round to the other side of it
    assert all(later >= earlier + 30 for earlier, later in pairwise(moments))


def test_other_points_and_events_of_earlier_steps_pass() -> None:
    hand = Hand(Transition(), FAN, Point(name="x.y"))
    assert hand.feed(0, 1.0, "x.y") == [Sample("x.y", 1.0, 0.0)]
    event = Event("a.b", "threshold", "warning", 0.0, 1.0, "1", "")
    assert list(hand.stage.feed(event)) == [event]


def test_of_a_point_without_texts_any_number_may_be_named_and_no_word() -> None:
    bare = Point(name="a.b", kind=Kind.STATE)
    assert Transition(states=("-3",)).points((bare,)) == (bare,)
    with pytest.raises(ValueError, match='no point here has a state "on"; known: numbers alone'):
        Transition(states=("on",)).points((bare,))
