"""Windows close on time, count what they should, and say what they do not know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from agent.core.clock import Instant
from agent.core.point import Kind, Point, Scope
from agent.core.product import Statistic
from agent.core.record import Aggregate, Event, State
from agent.core.sample import Quality, Sample
from agent.core.step import Scene
from pipelines.window import Window
from tests.pipelines.timeline import EIGHT, Timeline

POWER = Point(name="meter.power", unit="kW", every=10.0)
ENERGY = Point(name="meter.energy", unit="kW.h", kind=Kind.COUNTER, every=10.0)
DOOR = Point(name="door.in", kind=Kind.COUNT)
PUMP = Point(name="pump.on", kind=Kind.STATE)


def minutes(*statistics: Statistic, length: str = "1m", coverage: float = 0.9) -> Window:
    return Window(length=length, statistics=statistics, coverage=coverage)


def play(point: Point, *statistics: Statistic) -> Timeline:
    return Timeline((point,), (minutes(*statistics),))


def poll(
    time: Timeline, point: str, values: Mapping[float, float | None] | Mapping[int, float | None]
) -> None:
    for at, value in values.items():
        time.until(at)
        time.feed(point, value, why="" if value is not None else "no_reply")


# --- when -------------------------------------------------------------------------------------------


def test_a_window_closes_two_seconds_after_its_end() -> None:
    time = play(POWER, "mean")
    poll(time, "meter.power", dict.fromkeys(range(0, 60, 10), 1.0))
    time.until(61)
    assert time.records == []
    time.until(62)
    assert [at for at, _ in time.records] == [62]
    assert time.aggregates[0].start == EIGHT
    assert time.aggregates[0].width == 60
    assert time.aggregates[0].boot == 1000


def test_a_window_closes_at_once_when_each_of_its_points_has_spoken_past_its_end() -> None:
    time = Timeline((POWER, PUMP), (minutes("max"),))
    poll(time, "meter.power", {0: 1.0, 60: 9.0})
    assert time.records == [], "the pump may still say something of it"
    time.feed("pump.on", 1.0)
    time.until(61)
    assert [(one.point, one.values) for one in time.aggregates] == [
        ("meter.power", (1.0,)),
        ("pump.on", (None,)),
    ]
    assert [at for at, _ in time.records] == [61, 61]


@pytest.mark.parametrize("point", [DOOR, replace(PUMP, personal=True), replace(PUMP, scope=Scope.HOUSEHOLD)])
def test_when_a_window_of_people_comes_does_not_say_that_somebody_passed(point: Point) -> None:
    time = Timeline((POWER, point), (minutes("max"),))
    poll(time, "meter.power", {0: 1.0, 60: 9.0})
    time.feed(point.name, 1.0)
    time.until(61)
    assert time.records == []
    time.until(62)
    assert [at for at, _ in time.records] == [62, 62]


def test_word_that_a_point_has_no_value_is_a_word_too() -> None:
    time = play(POWER, "mean")
    poll(time, "meter.power", {0: 1.0, 60: None})
    time.until(61)
    assert [at for at, _ in time.records] == [61]


def test_a_window_does_not_close_before_its_end_whatever_stamps_say() -> None:
    time = play(POWER, "mean")
    poll(time, "meter.power", {0: 1.0})
    time.feed("meter.power", 2.0, ago=-90.0)
    time.until(59)
    assert time.records == []
    time.until(60)
    assert [one.values for one in time.aggregates] == [(1.0,)]


def test_every_point_has_an_aggregate_in_every_window() -> None:
    time = Timeline((POWER, ENERGY, DOOR), (minutes("mean"),))
    time.until(182)
    assert [one.point for one in time.aggregates] == ["meter.power", "meter.energy", "door.in"] * 3
    assert {one.state for one in time.aggregates} == {State.NO_DATA}


def test_windows_begin_at_round_times_whenever_the_stage_starts() -> None:
    time = Timeline((POWER,), (minutes("mean", length="15m"),), start=EIGHT + 400)
    time.until(600)
    assert [one.start for one in time.aggregates] == [EIGHT]
    assert time.aggregates[0].boot == 600


def test_a_sample_at_the_very_end_belongs_to_the_next_window() -> None:
    time = play(POWER, "max")
    poll(time, "meter.power", {0: 1.0, 60: 9.0})
    time.until(122)
    assert [one.values for one in time.aggregates] == [(1.0,), (9.0,)]


def test_a_late_sample_counts_while_its_window_is_open() -> None:
    time = play(DOOR, "sum")
    poll(time, "door.in", {10: 1.0, 61: 4.0})
    time.feed("door.in", 2.0, ago=3.0)
    time.until(122)
    assert [one.values for one in time.aggregates] == [(3.0,), (4.0,)]
    assert time.pipeline.late == 0


def test_a_sample_of_a_closed_window_is_dropped_and_counted() -> None:
    time = play(DOOR, "sum")
    poll(time, "door.in", {10: 1.0, 70: 4.0})
    time.feed("door.in", 2.0, ago=20.0)
    time.until(122)
    assert [one.values for one in time.aggregates] == [(1.0,), (4.0,)]
    assert time.pipeline.late == 1


def test_a_late_sample_that_is_bad_changes_nothing_in_an_open_window() -> None:
    time = play(DOOR, "sum")
    poll(time, "door.in", {10: 1.0, 61: 4.0})
    time.feed("door.in", None, ago=3.0)
    time.until(122)
    assert [(one.values, one.n) for one in time.aggregates] == [((1.0,), 1), ((4.0,), 1)]
    assert time.pipeline.late == 0


def test_a_stamp_of_another_age_is_dropped_and_counted() -> None:
    time = play(POWER, "mean")
    time.feed("meter.power", 1.0, ago=-1e12)
    assert time.pipeline.late == 1


def test_windows_of_a_standstill_follow_when_time_goes_on() -> None:
    time = play(POWER, "mean")
    time.feed("meter.power", 1.0)
    time.t = 182.0
    time.tick()
    assert [one.state for one in time.aggregates] == [State.PARTIAL, State.NO_DATA, State.NO_DATA]


def test_windows_of_a_long_standstill_come_a_few_at_a_time_and_none_is_left_out() -> None:
    time = play(POWER, "mean")
    time.feed("meter.power", 1.0)
    time.t = 100 * 60.0 + 2
    time.tick()
    assert len(time.aggregates) == 64
    time.tick()
    assert [one.start - EIGHT for one in time.aggregates] == [60.0 * n for n in range(100)]


def test_aggregates_say_whether_the_clock_was_synchronised_when_they_were_made() -> None:
    time = play(POWER, "mean")
    time.synced = False
    time.until(62)
    time.synced = True
    time.until(122)
    assert [one.synced for one in time.aggregates] == [False, True]


@pytest.mark.parametrize(
    ("length", "first", "hours"),
    [
        ("day", (2026, 3, 29), 23),  # clocks go forward in Helsinki
        ("day", (2026, 10, 25), 25),  # and back
        ("day", (2026, 6, 1), 24),
        ("week", (2026, 3, 23), 7 * 24 - 1),
        ("month", (2026, 3, 1), 31 * 24 - 1),
        ("month", (2026, 2, 1), 28 * 24),
        ("month", (2026, 12, 1), 31 * 24),
    ],
)
def test_days_weeks_and_months_follow_the_clocks_of_the_site(
    length: str, first: tuple[int, int, int], hours: int
) -> None:
    zone = ZoneInfo("Europe/Helsinki")
    start = datetime(*first, tzinfo=zone)
    now = Instant(50.0, start.timestamp() + 5 * 3600)
    stage = minutes("mean", length=length).start(Scene(points=(POWER,), zone=zone, now=now))
    end = start.timestamp() + hours * 3600
    boot_end = now.boot + end - now.utc
    assert list(stage.tick(Instant(boot_end + 1.9, end + 1.9))) == []
    (one,) = stage.tick(Instant(boot_end + 2, end + 2))
    assert isinstance(one, Aggregate)
    assert (one.start, one.width) == (start.timestamp(), hours * 3600)
    (two,) = stage.tick(Instant(boot_end + 40 * 86400, end + 40 * 86400)) if length == "month" else (None,)
    assert two is None or (isinstance(two, Aggregate) and two.start == end)


def test_a_quarter_of_an_hour_is_cut_in_utc_even_where_the_zone_is_odd() -> None:
    zone = ZoneInfo("Asia/Kathmandu")
    time = Timeline((POWER,), (minutes("mean", length="1h"),), zone=zone)
    time.until(3602)
    assert time.aggregates[0].start == datetime(2026, 11, 21, 20, tzinfo=UTC).timestamp()


# --- what -------------------------------------------------------------------------------------------


def test_a_value_counts_for_as_long_as_it_held() -> None:
    time = play(POWER, "mean", "min", "max", "last")
    poll(time, "meter.power", {0: 10.0, 20: 40.0, 30: 0.0, 40: 0.0, 50: 0.0})
    time.until(62)
    assert time.aggregates[0].values == (10.0, 0.0, 40.0, 0.0)
    assert time.aggregates[0].n == 5
    assert time.aggregates[0].state is State.OK


def test_a_value_holds_for_two_and_a_half_times_the_expected_time() -> None:
    time = play(POWER, "mean")
    poll(time, "meter.power", {0: 10.0})
    time.until(62)
    assert time.aggregates[0] == Aggregate(
        "meter.power", EIGHT, 60, 1, (10.0,), State.PARTIAL, round(25 / 60, 4), "silent", 1000.0
    )


def test_a_bad_sample_ends_the_hold_and_gives_the_reason() -> None:
    time = play(POWER, "mean")
    poll(time, "meter.power", {0: 10.0, 10: 10.0, 15: None, 50: 40.0})
    time.until(62)
    one = time.aggregates[0]
    assert one.values == ((10 * 15 + 40 * 10) / 25,)
    assert (one.n, one.coverage, one.state, one.why) == (3, round(25 / 60, 4), State.PARTIAL, "no_reply")


def test_a_value_that_held_for_no_time_at_all_is_still_what_was_seen() -> None:
    time = Timeline((PUMP,), (minutes("mean", "share", "last"),))
    for value in (1.0, None):
        time.feed("pump.on", value, why="" if value is not None else "no_reply")
    time.until(62)
    (told,) = time.aggregates
    assert (told.state, told.why, told.coverage) == (State.PARTIAL, "no_reply", 0.0)
    assert told.values == (1.0, 1.0, 1.0)


def test_a_value_goes_on_to_hold_in_the_next_window() -> None:
    time = play(POWER, "mean", "min")
    poll(time, "meter.power", {0: 0.0, 20: 0.0, 40: 2.0, 62: 8.0, 80: 8.0, 100: 8.0})
    time.until(122)
    assert time.aggregates[1].values == ((2 * 2 + 58 * 8) / 60, 2.0)
    assert time.aggregates[1].n == 3


def test_a_point_that_speaks_on_change_holds_without_limit() -> None:
    time = play(PUMP, "share", "last")
    poll(time, "pump.on", {0: 1.0, 30: 0.0, 75: 1.0})
    time.until(242)
    assert [one.values for one in time.aggregates] == [(0.5, 0.0), (0.75, 1.0), (1.0, 1.0), (1.0, 1.0)]
    assert [one.n for one in time.aggregates] == [2, 1, 0, 0]
    assert {one.state for one in time.aggregates} == {State.OK}


def test_nothing_counted_is_zero_and_nothing_heard_is_not() -> None:
    time = play(DOOR, "sum")
    poll(time, "door.in", {0: 2.0, 70: None})
    time.until(182)
    assert [one.values for one in time.aggregates] == [(2.0,), (0.0,), (None,)]
    assert [one.state for one in time.aggregates] == [State.OK, State.PARTIAL, State.NO_DATA]
    assert time.aggregates[2].why == "no_reply"


def test_an_empty_window_repeats_the_last_reason_for_silence() -> None:
    time = play(POWER, "mean")
    poll(time, "meter.power", {0: 1.0, 10: None})
    time.until(182)
    second = time.aggregates[1]
    assert (second.n, second.values, second.state, second.why) == (0, (None,), State.NO_DATA, "no_reply")
    assert second.coverage == 0


def test_uncertain_values_count_and_are_told() -> None:
    time = play(POWER, "mean", "max")
    poll(time, "meter.power", {at: 1.0 for at in range(0, 60, 10) if at != 30})
    time.feed("meter.power", 4.0, quality=Quality.UNCERTAIN, why="slope", ago=20.0)
    poll(time, "meter.power", {60: 1.0})
    time.until(122)
    first = time.aggregates[0]
    assert (first.state, first.why, first.n) == (State.UNCERTAIN, "slope", 6)
    assert first.values[1] == 4.0


def test_an_uncertain_value_that_holds_on_makes_the_next_window_uncertain_too() -> None:
    time = play(POWER, "mean")
    time.until(55)
    time.feed("meter.power", 4.0, quality=Quality.UNCERTAIN, why="stuck")
    poll(time, "meter.power", dict.fromkeys(range(65, 120, 10), 1.0))
    time.until(182)
    assert [one.state for one in time.aggregates[:2]] == [State.UNCERTAIN, State.UNCERTAIN]
    assert time.aggregates[2].state is not State.UNCERTAIN


def test_a_number_that_is_none_counts_as_bad() -> None:
    time = play(POWER, "mean", "max")
    poll(time, "meter.power", {0: 1.0, 10: float("nan"), 20: float("inf"), 30: 1.0, 40: 1.0, 50: 1.0})
    time.until(62)
    assert time.aggregates[0].values == (1.0, 1.0)
    assert time.aggregates[0].n == 4


def test_the_first_window_after_a_start_is_partial_and_says_so() -> None:
    time = Timeline((POWER,), (minutes("mean"),), start=EIGHT + 1)
    poll(time, "meter.power", dict.fromkeys(range(0, 59, 10), 1.0))
    time.until(61)
    one = time.aggregates[0]
    assert (one.state, one.why, one.coverage) == (State.PARTIAL, "started", round(59 / 60, 4))


def test_events_pass() -> None:
    stage = minutes("mean").start(Scene(points=(POWER,), zone=UTC, now=Instant(0.0, EIGHT)))
    event = Event("meter.power", "threshold", "warning", EIGHT, 1.0, "kW", "")
    assert list(stage.feed(event)) == [event]


# --- counters ---------------------------------------------------------------------------------------


def test_deltas_add_up_to_what_the_meter_counted() -> None:
    time = play(ENERGY, "delta", "last", "mean")
    poll(time, "meter.energy", {float(at): 500 + at / 10 for at in range(0, 190, 10)})
    time.until(182)
    assert [one.values for one in time.aggregates] == [
        (5.0, 505.0, None),
        (6.0, 511.0, None),
        (6.0, 517.0, None),
    ]
    assert {one.state for one in time.aggregates} == {State.OK}


def test_one_reading_alone_gives_no_delta() -> None:
    time = play(ENERGY, "delta")
    poll(time, "meter.energy", {50: 500.0, 60: 501.0})
    time.until(122)
    assert [one.values for one in time.aggregates] == [(None,), (1.0,)]


def test_a_counter_that_was_reset_starts_from_zero_and_says_so() -> None:
    time = play(ENERGY, "delta")
    poll(time, "meter.energy", {0: 100.0, 10: 110.0, 20: 3.0, 30: 5.0, 40: 5.0, 50: 5.0})
    time.until(62)
    one = time.aggregates[0]
    assert (one.values, one.state, one.why) == ((15.0,), State.UNCERTAIN, "reset")


def test_one_zero_between_two_readings_is_no_reset() -> None:
    time = play(ENERGY, "delta")
    poll(time, "meter.energy", {0: 100.0, 10: 110.0, 20: 0.0, 30: 111.0, 40: 112.0, 50: 113.0})
    time.until(62)
    one = time.aggregates[0]
    assert (one.values, one.state, one.why) == ((13.0,), State.UNCERTAIN, "reset")


def test_a_counter_that_rolls_over_goes_on_counting() -> None:
    energy = Point(name="meter.energy", kind=Kind.COUNTER, every=10.0, rollover=1000.0)
    time = play(energy, "delta")
    poll(time, "meter.energy", {0: 980.0, 10: 990.0, 20: 5.0, 30: 5.0, 40: 5.0, 50: 15.0})
    time.until(62)
    assert time.aggregates[0].values == (35.0,)
    assert time.aggregates[0].state is State.OK


def test_a_counter_that_creeps_back_is_uncertain_and_conserves_its_sum() -> None:
    time = play(ENERGY, "delta")
    poll(time, "meter.energy", {0: 100.0, 10: 110.0, 20: 109.5, 30: 111.0, 40: 111.0, 50: 111.0})
    time.until(62)
    one = time.aggregates[0]
    assert (one.values, one.state, one.why) == ((11.0,), State.UNCERTAIN, "backwards")


def test_a_delta_that_covers_earlier_windows_is_uncertain() -> None:
    time = play(ENERGY, "delta")
    poll(
        time,
        "meter.energy",
        {0: 100.0, 10: None, 60: None, 120: 130.0} | dict.fromkeys(range(130, 180, 10), 130.0),
    )
    time.until(182)
    assert [one.values for one in time.aggregates] == [(None,), (None,), (30.0,)]
    assert (time.aggregates[2].state, time.aggregates[2].why) == (State.UNCERTAIN, "no_reply")


def test_delta_without_a_counter_is_refused() -> None:
    with pytest.raises(ValueError, match=r"delta.*counter"):
        minutes("delta").points((POWER,))


@pytest.mark.parametrize("length", ["", "15", "0s", "500ms", "year", "-1m"])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    with pytest.raises(ValueError, match=r"duration|at least"):
        Window(length=length)


def test_the_scope_of_a_point_does_not_change_what_its_window_says() -> None:
    time = play(Point(name="flat.power", every=10.0, scope=Scope.HOUSEHOLD, personal=True), "mean")
    poll(time, "flat.power", dict.fromkeys(range(0, 60, 10), 1.0))
    time.until(62)
    assert time.aggregates[0].state is State.OK


def test_a_sample_of_a_point_that_was_not_asked_for_is_counted_nowhere() -> None:
    scene = Scene(points=(POWER,), zone=ZoneInfo("UTC"), now=Instant(0.0, EIGHT), saved=None)
    stage = minutes("mean").start(scene)
    assert list(stage.feed(Sample("other.power", 1.0, 1.0))) == []
    assert {one.point for one in stage.tick(Instant(70.0, EIGHT + 70)) if isinstance(one, Aggregate)} == {
        "meter.power"
    }
