"""Counters whose meter is replaced: each meter's own increments count, and no difference spans two."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.duration import Duration
from agent.core.point import Kind, Point, Scope
from agent.core.record import State
from agent.core.sample import Meter, Sample
from agent.core.step import Step
from pipelines.derive import Derive
from pipelines.validate import Validate
from pipelines.window import Window
from tests.pipelines.stages import Hand
from tests.pipelines.timeline import Timeline

ENERGY = Point(name="meter.energy", kind=Kind.COUNTER, unit="kW.h", every=10.0)
EXPORT = Point(name="roof.energy", kind=Kind.COUNTER, unit="kW.h", every=10.0)
DELTA = Window(length="1m", statistics=("delta",))


def play(*steps: Step, point: Point = ENERGY) -> Timeline:
    return Timeline((point,), (*steps, DELTA))


def poll(time: Timeline, until: float, value: Callable[[float], float], name: str = "meter.energy") -> None:
    """Sample each ten seconds."""
    while time.t < until:
        if time.t % 10 == 0:
            time.feed(name, value(time.t))
        time.until(time.t + 1)


def test_a_delta_adds_what_each_meter_counted_and_says_that_there_were_two() -> None:
    time = play()
    time.meter("meter.energy", "aa01")
    poll(time, 90, lambda t: 5000 + t)
    time.meter("meter.energy", "bb02")
    poll(time, 200, lambda t: t - 90)
    second, third = time.aggregates[1:3]
    # 50 to 80 by the one (a window begins with the last reading before it); 90 to 110 by the other
    assert (second.values, second.state, second.why) == ((30.0 + 20.0,), State.PARTIAL, "new_meter")
    assert (third.values, third.state) == ((60.0,), State.OK)


def test_a_higher_reading_of_a_new_meter_is_no_consumption() -> None:
    time = play()
    time.meter("meter.energy", "aa01")
    poll(time, 90, lambda t: t)
    time.meter("meter.energy", "bb02")
    poll(time, 130, lambda t: 70_000 + t)
    assert [one.values for one in time.aggregates] == [(50.0,), (50.0,)]


def test_the_word_of_the_same_meter_changes_nothing() -> None:
    said, unsaid = play(), play()
    for t in range(0, 200, 7):
        said.meter("meter.energy", "aa01")
        poll(said, t, float)
        poll(unsaid, t, float)
    assert said.aggregates == unsaid.aggregates


def test_a_meter_that_is_named_for_the_first_time_is_believed_to_be_the_one_so_far() -> None:
    time = play()
    poll(time, 90, float)
    time.meter("meter.energy", "aa01")
    poll(time, 130, float)
    assert [(one.values, one.state) for one in time.aggregates][1] == ((60.0,), State.OK)


def test_a_change_that_the_driver_saw_is_believed_though_nothing_was_known_here() -> None:
    time = play()
    poll(time, 90, float)
    time.meter("meter.energy", "aa01", new=True)
    poll(time, 130, lambda t: 9000 + t)
    assert time.aggregates[1].values == (50.0,)
    assert time.aggregates[1].why == "new_meter"


def test_a_window_between_two_meters_tells_what_the_old_one_counted() -> None:
    time = play()
    time.meter("meter.energy", "aa01")
    poll(time, 90, float)
    time.meter("meter.energy", "bb02")
    time.until(130)
    poll(time, 250, lambda t: 9000 + t)
    second, third, fourth = time.aggregates[1:4]
    assert (second.values, second.why) == ((30.0,), "new_meter")
    assert (third.values, third.state, third.why) == ((40.0,), State.PARTIAL, "new_meter")
    assert (fourth.values, fourth.state) == ((60.0,), State.OK)


@pytest.mark.parametrize("end", ["stop", "crash", "reboot"])
def test_a_meter_replaced_while_the_gateway_is_off_starts_a_new_epoch(end: str) -> None:
    time = play()
    time.meter("meter.energy", "aa01")
    poll(time, 94, lambda t: 5000 + t)
    if end == "stop":
        time._save(stopping=True)
    time.t = 400.0
    time.reboot() if end == "reboot" else time.crash()
    time.meter("meter.energy", "bb02")
    poll(time, 500, lambda t: 70_000 + t)
    told = [one.values[0] for one in time.aggregates if one.values[0] is not None]
    # what the old one counted in its published windows, and the new one from 400 to 470
    assert sum(told) == 50 + (40 if end == "stop" else 0) + 70
    assert "new_meter" in {one.why for one in time.aggregates}


@pytest.mark.parametrize("end", ["stop", "crash", "reboot"])
def test_the_same_meter_after_an_outage_counts_through_it(end: str) -> None:
    time = play()
    time.meter("meter.energy", "aa01")
    poll(time, 122, lambda t: 5000 + t)
    if end == "stop":
        time._save(stopping=True)
    time.t = 400.0
    time.reboot() if end == "reboot" else time.crash()
    time.meter("meter.energy", "aa01")
    poll(time, 500, lambda t: 5000 + t)
    told = [one.values[0] for one in time.aggregates if one.values[0] is not None]
    assert sum(told) == 470.0
    assert "new_meter" not in {one.why for one in time.aggregates}


def test_a_crash_after_the_change_and_before_the_window_was_published_spans_nothing() -> None:
    """Window one is published, and saved, when the new meter counts already."""
    time = Timeline((ENERGY,), (Window(length="1m", statistics=("delta",), late=Duration(10)),))
    time.meter("meter.energy", "aa01")
    poll(time, 60, lambda t: 5000 + t)
    time.meter("meter.energy", "bb02")
    poll(time, 75, lambda t: t)
    assert len(time.aggregates) == 1
    time.crash()
    time.meter("meter.energy", "bb02")
    poll(time, 200, lambda t: t)
    assert all(0 <= (one.values[0] or 0) <= 60 for one in time.aggregates)


def test_a_slope_is_not_measured_from_one_meter_to_the_next() -> None:
    hand = Hand(Validate(slope="1 kW.h/s"), ENERGY)
    for t in range(3):
        assert hand.one(10 * t, 5000 + t, "meter.energy").why == ""
    list(hand.stage.feed(Meter("meter.energy", None, 30, meter="aa01")))
    assert hand.one(30, 70_000, "meter.energy").why == "slope"
    list(hand.stage.feed(Meter("meter.energy", None, 40, meter="bb02")))
    assert hand.one(40, 70_000, "meter.energy").why == ""


def derived() -> Timeline:
    sum_of = Derive(
        name="site.net", expression="'meter.energy' + 'roof.energy'", unit="kW.h", kind=Kind.COUNTER
    )
    return Timeline((ENERGY, EXPORT), (sum_of, DELTA))


def test_a_counter_computed_out_of_others_starts_anew_with_either_of_them() -> None:
    time = derived()
    for name in ("meter.energy", "roof.energy"):
        time.meter(name, "aa01")
    for t in range(0, 90, 10):
        time.feed("meter.energy", 5000.0 + t)
        time.feed("roof.energy", 100.0 + t)
        time.until(t + 10)
    time.meter("roof.energy", "bb02")
    for t in range(90, 190, 10):
        time.feed("meter.energy", 5000.0 + t)
        time.feed("roof.energy", 70_000.0 + t)
        time.until(t + 10)
    first, second, third = time.of("site.net")[:3]
    assert first.values == (100.0,)
    assert (second.values, second.why) == ((2 * (30.0 + 20.0),), "new_meter")
    assert third.values == (120.0,)


def test_a_counter_computed_out_of_others_goes_on_over_a_restart() -> None:
    time = derived()
    for begin, end in ((0, 90), (90, 190)):
        for name in ("meter.energy", "roof.energy"):
            time.meter(name, "aa01")
        for t in range(begin, end, 10):
            time.feed("meter.energy", 5000.0 + t)
            time.feed("roof.energy", 100.0 + t)
            time.until(t + 10)
        if end == 90:
            time.stop()
    assert [one.values for one in time.of("site.net")][:3] == [(100.0,), (120.0,), (120.0,)]


def test_what_is_kept_is_the_fingerprint_and_a_personal_point_keeps_no_more() -> None:
    flat = Point(name="meter.energy", kind=Kind.COUNTER, every=10.0, scope=Scope.HOUSEHOLD, personal=True)
    time = play(point=flat)
    time.meter("meter.energy", "aa01")
    poll(time, 70, float)
    time.stop()
    assert isinstance(time.saved, dict)
    kept = time.saved["0:window"]
    assert kept["meters"] == {"meter.energy": "aa01"}
    assert json.dumps(kept["open"]).count("meter.energy") == 0


steps = st.lists(
    st.tuples(
        st.sampled_from(["read", "read", "read", "swap", "stop", "crash", "back", "forward"]),
        st.sampled_from([1, 5, 10, 20, 45]),
    ),
    min_size=4,
    max_size=30,
)


@settings(deadline=None, max_examples=150)
@given(steps, st.sampled_from([2, 50]))
def test_whatever_happens_no_delta_spans_two_meters(happening: list[tuple[str, int]], late: int) -> None:
    """Three meters a million apart, each counting a second each second."""
    window = Window(length="1m", statistics=("delta",), late=Duration(late))
    time, meter = Timeline((ENERGY,), (window,)), 0
    time.meter("meter.energy", "m0")
    for what, seconds in happening:
        time.until(time.t + seconds)
        match what:
            case "swap":
                meter = (meter + 1) % 3
                time.meter("meter.energy", f"m{meter}", new=True)
            case "stop" | "crash":
                time.stop() if what == "stop" else time.crash()
                time.meter("meter.energy", f"m{meter}")
            case "back" | "forward":
                time.set_clock(-40.0 if what == "back" else 70.0)
            case _:
                time.feed("meter.energy", 1e6 * meter + time.t)
    time.until(time.t + 200)
    told = [one.values[0] for one in time.aggregates if one.values[0] is not None]
    assert all(0 <= one <= time.t for one in told)
    assert sum(told) <= time.t


@settings(deadline=None, max_examples=100)
@given(steps, st.sampled_from([2, 50]))
def test_what_each_meter_counted_is_told_once(happening: list[tuple[str, int]], late: int) -> None:
    window = Window(length="1m", statistics=("delta",), late=Duration(late))
    time, meter, counted = Timeline((ENERGY,), (window,)), 0, 0.0
    since: float | None = None
    for what, seconds in [*happening, *[("read", 20)] * 15]:
        time.until(time.t + seconds)
        match what:
            case "swap":
                meter, since = meter + 1, None
                time.meter("meter.energy", f"m{meter}", new=True)
            case "stop":
                time.stop()
            case _:
                time.feed("meter.energy", 1e6 * meter + time.t)
                counted += 0.0 if since is None else time.t - since
                since = time.t
    time.until(time.t + 120)
    told = [one.values[0] for one in time.aggregates if one.values[0] is not None]
    assert sum(told) == counted


@pytest.mark.parametrize("swap", range(5, 140, 10))
@pytest.mark.parametrize(("late", "back"), [(50, 30), (50, 60), (2, 60), (2, 30)])
def test_windows_that_become_one_tell_what_each_meter_counted_once(swap: int, late: int, back: int) -> None:
    """The clock is set back in the second window: it is merged with the first, or published already."""
    time = Timeline((ENERGY,), (Window(length="1m", statistics=("delta",), late=Duration(late)),))
    for t in range(0, 400, 10):
        time.until(t)
        if t == 90:
            time.set_clock(-back)
        time.feed("meter.energy", time.t + (1e6 if t > swap else 0))
        time.until(t + 5)
        if t + 5 == swap:
            time.meter("meter.energy", "bb02", new=True)
    time.until(600)
    told = [one.values[0] for one in time.aggregates if one.values[0] is not None]
    assert sum(told) == 390 - 10


def test_a_first_reading_in_a_window_that_was_published_already_is_counted_from() -> None:
    time = Timeline((ENERGY,), (Window(length="1m", statistics=("delta",), late=Duration(50)),))
    time.feed("meter.energy", 1.0)
    time.until(46)
    time.meter("meter.energy", "bb02", new=True)
    time.until(91)
    time.feed("meter.energy", 1e6)
    time.until(136)
    time.set_clock(-40.0)
    time.until(156)
    time.feed("meter.energy", 1e6 + 65)
    time.until(300)
    assert [one.values for one in time.aggregates[:2]] == [(0.0,), (65.0,)]


def test_word_of_a_meter_that_is_of_no_counter_here_or_of_another_age_changes_nothing() -> None:
    time = play()
    for at in range(0, 60, 10):
        time.until(at)
        time.feed("meter.energy", 100.0 + at)
    time.meter("other.energy", "aa02", new=True)
    late = Meter("meter.energy", None, time.boot + 1e9, meter="aa03", new=True)
    assert time.pipeline.feed([late]) == []
    time.until(62)
    assert [(one.values, one.why) for one in time.aggregates] == [((50.0,), "")]


def test_a_mark_is_no_sample_to_a_step_that_does_not_count() -> None:
    hand = Hand(Validate(), ENERGY)
    mark = Meter("meter.energy", None, 1.0, meter="aa01")
    assert list(hand.stage.feed(mark)) == [mark]
    assert isinstance(mark, Sample)
