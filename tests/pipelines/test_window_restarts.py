"""Windows across stops, crashes, reboots and clocks that are set."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from agent.core.clock import Instant
from agent.core.duration import Duration
from agent.core.point import Kind, Point, Scope
from agent.core.record import State
from agent.core.step import Scene
from pipelines.window import Window
from tests.pipelines.timeline import EIGHT, HELSINKI, Timeline

POWER = Point(name="meter.power", every=10.0)
OTHER = Point(name="other.power", every=10.0)
HEAT = Point(name="heat.energy", kind=Kind.COUNTER, every=10.0)
ENERGY = Point(name="meter.energy", kind=Kind.COUNTER, every=10.0)
FLAT = Point(name="flat.power", every=10.0, personal=True)
ROOM = Point(name="room.power", every=10.0, scope=Scope.WORKSPACE)
FLAT_ENERGY = Point(name="flat.energy", kind=Kind.COUNTER, every=10.0, personal=True)
HOUR = 3600.0


def timeline(*points: Point, length: str = "1m") -> Timeline:
    return Timeline(points, (window(length, *points),))


def window(length: str, *points: Point) -> Window:
    counting = any(point.kind is Kind.COUNTER for point in points)
    return Window(length=length, statistics=("mean", "delta", "max") if counting else ("mean", "max"))


def poll(time: Timeline, until: float, *, only: str = "") -> None:
    """Sample every point, or *only* one, each ten seconds; a value is the seconds since the start."""
    while time.t < until:
        if time.t % 10 == 0:
            for point in time.product.points:
                if only in ("", point.name):
                    time.feed(point.name, time.t)
        time.until(time.t + 1)


# --- stops and crashes ------------------------------------------------------------------------------


def test_a_clean_stop_hands_the_open_window_over() -> None:
    whole, broken = timeline(POWER, ENERGY), timeline(POWER, ENERGY)
    poll(whole, 130)
    poll(broken, 94)
    broken.stop()
    poll(broken, 130)
    assert broken.records == whole.records


def test_a_stop_between_the_end_of_a_window_and_its_closing_loses_nothing() -> None:
    whole, broken = timeline(POWER, ENERGY), timeline(POWER, ENERGY)
    poll(whole, 130)
    poll(broken, 61)
    broken.stop()
    poll(broken, 130)
    assert broken.aggregates == whole.aggregates


@pytest.mark.parametrize("point", [FLAT, ROOM])
def test_the_open_window_of_a_personal_point_is_not_handed_over(point: Point) -> None:
    time = timeline(POWER, point)
    poll(time, 94)
    time.stop()
    assert point.name not in json.dumps(time.saved)
    poll(time, 130)
    assert [one.state for one in time.of(POWER.name)] == [State.OK, State.OK]
    kept = time.of(point.name)[1]
    assert (kept.n, kept.state, kept.why) == (2, State.PARTIAL, "started")


def test_of_a_personal_counter_one_reading_is_kept_and_nothing_finer() -> None:
    time = timeline(FLAT_ENERGY)
    poll(time, 94)
    time.stop()
    assert isinstance(time.saved, dict)
    kept = time.saved["0:window"]
    assert kept["counters"] == {"flat.energy": [50.0, EIGHT + 50]}
    assert all(frame["cells"] == {} for frame in kept["open"])
    poll(time, 130)
    assert [one.values[1] for one in time.aggregates] == [50.0, 60.0]


def test_an_outage_shows_in_the_coverage_of_the_window_that_was_handed_over() -> None:
    time = timeline(POWER, length="5m")
    poll(time, 100)
    time.pipeline.save(stopping=True)
    time._save(stopping=True)
    time.t += 100
    time._restart()
    poll(time, 310)
    one = time.aggregates[0]
    # the value of second 90 holds until 115, the next one comes at 200
    assert (one.state, one.why, one.coverage) == (State.PARTIAL, "silent", round(215 / 300, 4))


def test_a_window_that_ended_while_nothing_ran_is_given_at_the_first_tick() -> None:
    time = timeline(POWER, ENERGY)
    poll(time, 94)
    time._save(stopping=True)
    time.t = 250.0
    time._restart()
    before = len(time.records)
    time.tick()
    late = [record for _, record in time.records[before:]]
    assert late == [one for one in time.aggregates if one.start == EIGHT + 60]
    power, energy = time.of(POWER.name)[1], time.of(ENERGY.name)[1]
    assert (power.n, power.state, power.why) == (4, State.PARTIAL, "stopped")
    assert power.coverage == round(55 / 60, 4)
    assert energy.values[1] == 40.0


def test_the_first_delta_after_a_crash_covers_the_outage() -> None:
    time = timeline(ENERGY)
    poll(time, 94)
    time.t = 300.0
    time.crash()
    poll(time, 370)
    assert [one.values[1] for one in time.aggregates] == [50.0, 300.0]
    assert (time.aggregates[1].state, time.aggregates[1].why) == (State.UNCERTAIN, "restart")


def test_a_crash_before_the_first_window_begins_anew() -> None:
    time = timeline(ENERGY)
    poll(time, 34)
    time.crash()
    poll(time, 70)
    assert [one.values[1] for one in time.aggregates] == [10.0]


def test_a_reboot_goes_on_by_the_time_of_day() -> None:
    whole, broken = timeline(POWER, ENERGY), timeline(POWER, ENERGY)
    poll(whole, 130)
    poll(broken, 94)
    broken._save(stopping=True)
    broken.reboot()
    poll(broken, 130)
    assert [one.values for one in broken.aggregates] == [one.values for one in whole.aggregates]
    assert [one.state for one in broken.aggregates] == [one.state for one in whole.aggregates]


def test_another_length_keeps_the_counters_and_forgets_the_windows() -> None:
    time = timeline(ENERGY)
    poll(time, 94)
    time._save(stopping=True)
    longer = window("5m", ENERGY)
    now = time.now()
    assert isinstance(time.saved, dict)
    stage = longer.start(Scene(points=(ENERGY,), zone=HELSINKI, now=now, saved=time.saved["0:window"]))
    kept = stage.save(stopping=True)
    assert kept["counters"] == {"meter.energy": [50.0, EIGHT + 50]}
    assert kept["published"] == []


# --- clocks that are set ----------------------------------------------------------------------------


def test_a_clock_set_forward_gives_the_open_window_the_label_that_is_true() -> None:
    time = timeline(POWER)
    poll(time, 90)
    time.set_clock(2 * HOUR)
    poll(time, 130)
    starts = [one.start for one in time.aggregates]
    assert starts == [EIGHT, EIGHT + 2 * HOUR + 60]
    assert [one.n for one in time.aggregates] == [6, 6]
    assert (time.aggregates[1].state, time.aggregates[1].why) == (State.UNCERTAIN, "clock")


def test_a_clock_that_comes_from_1970_loses_nothing() -> None:
    time = Timeline((POWER, ENERGY), (Window(length="15m", statistics=("mean", "delta", "max")),), start=30.0)
    poll(time, 400)
    time.set_clock(EIGHT - 30.0)
    poll(time, 1000)
    assert [one.start for one in time.of(POWER.name)] == [EIGHT]
    assert [one.n for one in time.of(POWER.name)] == [90]
    assert time.of(ENERGY.name)[0].values[1] == 890.0


def test_a_clock_set_back_drops_what_was_published_and_goes_on_after_it() -> None:
    time = timeline(POWER, ENERGY)
    poll(time, 190)
    time.set_clock(-120.0)
    poll(time, 440)
    starts = [one.start - EIGHT for one in time.of(POWER.name)]
    assert starts == [0, 60, 120, 180, 240]
    assert time.pipeline.late > 0
    deltas = [one.values[1] or 0.0 for one in time.of(ENERGY.name)]
    assert sum(deltas) == 410.0  # the last reading before 20:05 on the new clock


def test_what_a_clock_set_back_will_cost_can_be_told_at_once() -> None:
    time = timeline(POWER)
    poll(time, 190)
    assert time.pipeline.blocked(time.now().utc) == []
    time.set_clock(-120.0)
    assert time.pipeline.blocked(time.now().utc) == [(EIGHT + 70, EIGHT + 180)]
    time.set_clock(-2 * 24 * HOUR)
    assert time.pipeline.blocked(time.now().utc) == [(EIGHT, EIGHT + 180)]


def test_after_a_clock_two_days_ahead_is_put_right_data_flow_at_once() -> None:
    time = timeline(POWER)
    time.set_clock(0.0)
    poll(time, 190)
    time.set_clock(-2 * 24 * HOUR)
    poll(time, 320)
    starts = [one.start - EIGHT for one in time.aggregates]
    assert starts[:3] == [0, 60, 120]
    assert starts[3] == -2 * 24 * HOUR + 180
    assert time.pipeline.late == 0


def test_a_small_step_in_the_middle_of_a_window_leaves_its_label() -> None:
    for by in (-5.0, 5.0, -1.5):
        time = timeline(POWER)
        poll(time, 90)
        time.set_clock(by)
        poll(time, 200)
        assert [one.start - EIGHT for one in time.aggregates][:2] == [0, 60]
        assert all(one.why != "clock" for one in time.aggregates)


def test_a_window_published_unsynchronised_does_not_block_another_boot() -> None:
    time = Timeline((POWER,), (Window(length="1m"),), start=0.0)
    time.synced = False
    poll(time, 130)
    time._save(stopping=True)
    assert isinstance(time.saved, dict)
    assert time.saved["0:window"]["published"] == []


def test_the_label_of_a_window_handed_over_is_as_trusted_as_it_was() -> None:
    time = timeline(POWER)
    poll(time, 94)
    time._save(stopping=True)
    time.synced = False
    time.set_clock(-EIGHT)
    time._restart()
    time.tick()
    assert (time.aggregates[-1].start, time.aggregates[-1].synced) == (EIGHT + 60, True)


@pytest.mark.parametrize("saved", [{}, {"length": "1m"}, [], "x", 7, {"length": 1, "counters": 0}])
def test_what_another_wrote_is_refused_in_one_sentence(saved: object) -> None:
    scene = Scene(points=(POWER,), zone=HELSINKI, now=Instant(1.0, EIGHT), saved=saved)
    with pytest.raises(ValueError, match=r"."):
        Window(length="1m").start(scene)


# --- what is read from changes from one run to the next ---------------------------------------------


def with_points(time: Timeline, *points: Point) -> None:
    """Stop, and start at once to read other *points*."""
    time._save(stopping=True)
    time.product = replace(time.product, points=points, published=points)
    time._restart()


def test_a_point_that_the_run_before_did_not_know_has_no_data_in_its_window() -> None:
    time = timeline(POWER)
    poll(time, 59)
    time.until(61)
    with_points(time, POWER, OTHER)
    poll(time, 125)
    first, second = time.of("other.power")
    assert (first.start, first.state, first.why, first.values) == (
        EIGHT,
        State.NO_DATA,
        "stopped",
        (None, None),
    )
    assert (second.start, second.n, second.values) == (EIGHT + 60, 5, (90.0, 110.0))
    assert time.of("meter.power")[0].state is State.OK


def test_a_point_that_is_no_longer_read_is_told_of_no_more() -> None:
    time = timeline(POWER, OTHER)
    poll(time, 94)
    with_points(time, POWER)
    poll(time, 190)
    assert [one.point for one in time.aggregates if one.start > EIGHT] == ["meter.power"] * 2


def test_a_counter_that_is_one_no_longer_does_not_go_on_from_its_reading() -> None:
    time = timeline(ENERGY, HEAT)
    poll(time, 94)
    with_points(time, replace(ENERGY, kind=Kind.GAUGE), HEAT)
    poll(time, 190)
    (again,) = [one for one in time.of("meter.energy") if one.start == EIGHT + 120]
    assert again.values == (145.0, None, 170.0)


def test_a_clock_that_is_set_leaves_the_label_of_a_window_of_the_run_before() -> None:
    time = timeline(POWER)
    poll(time, 61)
    time.stop()
    time.set_clock(600.0)
    poll(time, 63)
    assert [one.start - EIGHT for one in time.aggregates] == [0]


def test_windows_that_become_one_while_a_third_is_open_lose_nothing() -> None:
    quiet = Point(name="attic.power")  # says nothing, which keeps them open
    window = Window(length="1m", statistics=("sum",), late=Duration(120))
    time = Timeline((POWER, quiet), (window,), start=EIGHT + 50)
    poll(time, 125, only="meter.power")
    time.set_clock(-35.0)
    poll(time, 400, only="meter.power")
    told = [one for one in time.aggregates if one.point == "meter.power"]
    assert (told[0].start, told[0].n, told[0].values) == (EIGHT, 7, (sum(range(0, 70, 10)),))
    assert (told[0].state, told[0].why) == (State.UNCERTAIN, "clock")
    assert time.pipeline.late == 0
    assert [one.n for one in told] == [7, 6, 4, 6]
