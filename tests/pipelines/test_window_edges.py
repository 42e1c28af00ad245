"""What a window says holds to its very edges: a city is billed by it."""

from __future__ import annotations

from datetime import UTC, datetime
from math import nan
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from agent.core.point import Kind, Point
from agent.core.product import Statistic
from agent.core.record import State
from agent.core.sample import Meter, Quality
from pipelines.window import Window
from pipelines.windows.counter import Counter
from pipelines.windows.published import Published
from pipelines.windows.spans import Calendar, check_length
from tests.pipelines.stages import Hand
from tests.pipelines.timeline import Timeline

POWER = Point(name="meter.power", unit="kW", every=10.0)
ENERGY = Point(name="meter.energy", unit="kW.h", kind=Kind.COUNTER, every=10.0)
DOOR = Point(name="door.in", kind=Kind.COUNT)
PUMP = Point(name="pump.on", kind=Kind.STATE)
EVERY: tuple[Statistic, ...] = ("mean", "min", "max", "last", "sum", "share", "delta")


def play(point: Point, *statistics: Statistic) -> Timeline:
    return Timeline((point,), (Window(length="1m", statistics=statistics),))


def feed(time: Timeline, values: dict[float, float]) -> None:
    """Feed the one point of *time* by seconds."""
    (point,) = time.product.points
    for at, value in values.items():
        time.until(at)
        time.feed(point.name, value)


# --- the course of time -------------------------------------------------------------------------------


def test_a_value_that_ends_as_the_window_begins_is_not_of_it() -> None:
    time = play(POWER, "min", "max")
    feed(time, {50: 100.0, 60: 1.0, 70: 2.0})
    time.until(122)
    assert time.aggregates[1].values == (1.0, 2.0)


def test_parts_of_a_second_count_too() -> None:
    time = play(replace(POWER, every=60.0), "mean", "share")
    feed(time, {0: 0.0, 59.5: 120.0})
    time.until(62)
    assert time.aggregates[0].values == pytest.approx((1.0, 0.5 / 60))


def test_of_less_than_a_second_the_figures_are_by_time_as_well() -> None:
    time = play(PUMP, "mean", "share")
    time.until(59)
    feed(time, {59.25: 0.0, 59.75: 100.0})
    time.until(62)
    assert time.aggregates[0].values == pytest.approx((100 / 3, 1 / 3))


def test_what_was_observed_for_as_long_as_is_asked_for_is_whole() -> None:
    time = play(POWER, "mean")
    feed(time, {50: 1.0, 60: 1.0} | {66.0 + n: 1.0 for n in range(0, 60, 10)})
    time.feed("meter.power", None)
    time.until(126)
    feed(time, dict.fromkeys(range(126, 190, 10), 1.0))
    time.until(190)
    assert [(one.coverage, one.state) for one in time.aggregates][2] == (0.9, State.OK)


@pytest.mark.parametrize(("held", "state"), [(54, State.OK), (53, State.NO_DATA)])
def test_a_value_from_before_tells_of_a_window_that_it_fills_as_far_as_is_asked_for(
    held: float, state: State
) -> None:
    time = play(replace(POWER, every=60.0), "mean")  # it holds for 150 s
    feed(time, {held - 30: 5.0})
    time.until(182)
    assert (time.aggregates[1].n, time.aggregates[1].values, time.aggregates[1].state) == (
        0,
        (5.0,),
        State.OK,
    )
    assert time.aggregates[2].state is state


def test_a_point_that_is_read_each_second_says_nothing_by_a_value_of_before() -> None:
    time = play(replace(POWER, every=1.0), "mean")
    feed(time, dict.fromkeys(range(60), 5.0))
    time.until(122)
    assert time.aggregates[1].state is State.NO_DATA


def test_a_count_from_before_is_none_of_this_window_however_long_it_would_hold() -> None:
    time = play(replace(DOOR, every=60.0), "sum")
    feed(time, {30: 5.0})
    time.until(122)
    assert [(one.values, one.state) for one in time.aggregates][1] == ((None,), State.NO_DATA)


# --- what comes late or is no number ------------------------------------------------------------------


@pytest.mark.parametrize(("value", "quality"), [(5.0, Quality.BAD), (nan, Quality.GOOD), (None, Quality.BAD)])
def test_a_late_value_that_is_bad_or_no_number_is_not_counted(value: float | None, quality: Quality) -> None:
    time = play(DOOR, "sum")
    feed(time, {10: 1.0, 20: 2.0})
    time.feed("door.in", value, quality=quality, ago=5)
    time.until(62)
    assert (time.aggregates[0].n, time.aggregates[0].values) == (2, (3.0,))


def test_a_late_value_that_is_all_there_is_tells_the_window() -> None:
    time = play(PUMP, "mean", "last", "share", "sum")
    time.until(61)
    time.feed("pump.on", 0.0)
    time.feed("pump.on", 1.0, ago=20)
    time.until(62)
    told = time.aggregates[0]
    assert (told.values, told.n, told.state) == ((1.0, 1.0, 1.0, 1.0), 1, State.PARTIAL)


def test_a_late_value_of_the_moment_between_two_windows_is_of_the_second() -> None:
    time = play(DOOR, "sum")
    feed(time, {10: 1.0, 61: 2.0})
    time.feed("door.in", 4.0, ago=1)
    time.until(122)
    assert [(one.n, one.values) for one in time.aggregates] == [(1, (1.0,)), (2, (6.0,))]


@pytest.mark.parametrize("why", ["out_of_range", ""])
def test_doubt_about_a_value_is_told_with_its_reason_or_as_doubt(why: str) -> None:
    time = play(POWER, "mean")
    time.feed("meter.power", 1.0, quality=Quality.UNCERTAIN, why=why)
    feed(time, dict.fromkeys(range(10, 60, 10), 1.0))
    time.until(62)
    assert (time.aggregates[0].state, time.aggregates[0].why) == (State.UNCERTAIN, why or "uncertain")


def test_a_sum_beyond_every_number_is_not_told() -> None:
    time = play(DOOR, "sum", "max")
    feed(time, {10: 1.7e308, 20: 1.7e308})
    time.until(62)
    assert time.aggregates[0].values == (None, 1.7e308)


# --- counters -----------------------------------------------------------------------------------------


def test_a_counter_has_a_last_reading_and_an_increase_and_no_other_figure() -> None:
    time = play(ENERGY, *EVERY)
    feed(time, {n: 500.0 + n for n in range(0, 60, 10)})
    time.until(62)
    assert time.aggregates[0].values == (None, None, None, 550.0, None, None, 50.0)


@pytest.mark.parametrize(("back", "at"), [(100.0, 30.0), (101.0, 45.0)], ids=["unmoved", "just-in-time"])
def test_one_low_reading_is_a_glitch_though_the_counter_stands_still_or_comes_back_late(
    back: float, at: float
) -> None:
    time = play(ENERGY, "delta")
    feed(time, {0: 90.0, 10: 100.0, 20: 0.0, at: back})
    time.until(62)
    assert time.aggregates[0].values == (back - 90.0,)


def test_a_counter_may_roll_over_to_nothing() -> None:
    time = play(replace(ENERGY, rollover=1000.0), "delta")
    feed(time, {0: 990.0, 10: 999.0, 20: 0.0, 30: 2.0, 40: 3.0, 50: 4.0})
    time.until(62)
    assert (time.aggregates[0].values, time.aggregates[0].state) == ((14.0,), State.OK)


def test_a_counter_that_can_roll_over_far_away_was_reset_when_it_falls() -> None:
    time = play(replace(ENERGY, rollover=100_000.0), "delta")
    feed(time, {0: 890.0, 10: 900.0, 20: 5.0, 30: 6.0})
    time.until(62)
    told = time.aggregates[0]
    assert (told.values, told.state, told.why) == ((16.0,), State.UNCERTAIN, "reset")


@pytest.mark.parametrize(("read", "state"), [(35, State.OK), (34, State.UNCERTAIN)])
def test_an_increment_is_of_a_window_if_the_reading_before_it_held_until_it_began(
    read: float, state: State
) -> None:
    time = play(ENERGY, "delta")
    feed(time, {0: 1.0, 10: 2.0, read: 3.0, 61: 5.0, 70: 6.0, 80: 7.0, 90: 8.0, 100: 9.0, 110: 10.0})
    time.until(122)
    assert (time.aggregates[1].values, time.aggregates[1].state) == ((7.0,), state)


def test_another_meter_at_the_very_end_of_a_window_is_of_the_next_one() -> None:
    time = play(ENERGY, "delta")
    time.meter("meter.energy", "aa01")
    feed(time, {n: 100.0 + n for n in range(0, 60, 10)})
    time.until(60)
    time.meter("meter.energy", "bb02")
    feed(time, {n: 7000.0 + n for n in range(60, 120, 10)})
    time.until(122)
    first, second = time.aggregates
    assert (first.values, first.state) == ((50.0,), State.OK)
    assert (second.values, second.why) == ((50.0,), "new_meter")


def test_word_of_a_meter_that_the_product_has_not_is_not_for_it() -> None:
    hand = Hand(Window(length="1m", statistics=("delta",)), ENERGY)
    assert list(hand.stage.feed(Meter("roof.energy", None, 5.0, meter="aa01"))) == []


def counter(*readings: float, begin: float = 0.0, meter: str = "") -> Counter:
    found = Counter(ENERGY, begin, begin + 60.0)
    found.meter = meter
    for n, one in enumerate(readings):
        found.take(one, begin + 10.0 * n)
    return found


def test_two_windows_of_a_counter_that_are_one_count_from_the_first_reading_to_the_last() -> None:
    earlier = counter(100.0, 110.0)
    later = earlier.next(60.0, 120.0)
    later.take(120.0, 70.0)
    later.absorb(earlier)
    assert later.delta() == 20.0
    first = counter(5.0, 7.0, begin=60.0)
    first.absorb(counter())
    assert first.delta() == 2.0


def test_two_windows_of_a_counter_that_are_one_count_by_the_meter_that_came_last() -> None:
    earlier = counter(100.0, 110.0, meter="aa01")
    later = earlier.next(60.0, 120.0)
    later.read_by("bb02", new=False)
    later.take(7000.0, 70.0)
    later.take(7005.0, 80.0)
    later.absorb(earlier)
    assert (later.delta(), later.meter) == (15.0, "bb02")
    later.read_by("bb02", new=False)  # once more the same: nothing begins anew
    later.take(7006.0, 90.0)
    assert later.delta() == 16.0


def test_two_windows_of_a_counter_that_are_one_know_of_the_change_in_the_earlier() -> None:
    earlier = counter()
    earlier.rest(100.0, -10.0)
    earlier.read_by("bb02", new=True)
    later = earlier.next(60.0, 120.0)
    later.take(7000.0, 70.0)
    later.absorb(earlier)
    assert later.delta() == 0.0, "nothing, and not unknown: what the old meter counted is in it"


def test_two_windows_that_are_one_know_why_either_says_too_little() -> None:
    earlier = counter()
    earlier.gap, earlier.trouble, earlier.doubt = "started", "no_reply", "reset"
    later = counter(begin=60.0)
    later.absorb(earlier)
    assert (later.gap, later.trouble, later.doubt) == ("started", "no_reply", "reset")
    after = counter(begin=120.0)
    after.gap, after.trouble, after.doubt = "stopped", "timeout", "backwards"
    after.absorb(later)
    assert (after.gap, after.trouble, after.doubt) == ("started", "timeout", "backwards")


# --- where windows lie --------------------------------------------------------------------------------


def test_a_window_may_last_a_second() -> None:
    check_length("1s")
    with pytest.raises(ValueError, match="at least 1s"):
        check_length("999ms")


def test_a_day_whose_midnight_comes_twice_begins_with_the_first() -> None:
    havana = ZoneInfo("America/Havana")  # on this day one o'clock was followed by midnight
    start, end = Calendar("day", havana).around(datetime(2026, 11, 1, 17, tzinfo=UTC).timestamp())
    assert end - start == 25 * 3600
    assert datetime.fromtimestamp(start, UTC) == datetime(2026, 11, 1, 4, tzinfo=UTC)


def test_windows_that_only_touch_what_was_published_may_still_be() -> None:
    known = Published([(60.0, 120.0)])
    assert (0.0, 60.0) not in known
    assert (120.0, 180.0) not in known
    assert (119.0, 121.0) in known
    assert known.after(119.0) == [(119.0, 120.0)]
    assert known.after(120.0) == []
