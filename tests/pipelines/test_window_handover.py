"""From one run to the next, and over clocks that are set, a window says what is missing and no more."""

from __future__ import annotations

import pytest

from agent.core.point import Kind, Point
from agent.core.record import Aggregate, State
from agent.core.sample import Quality
from pipelines.window import Window
from tests.pipelines.timeline import EIGHT, Timeline

POWER = Point(name="meter.power", every=10.0)
QUIET = Point(name="attic.power")
ENERGY = Point(name="meter.energy", kind=Kind.COUNTER, every=10.0)
ROOF = Point(name="roof.energy", kind=Kind.COUNTER, every=10.0)


def play(*points: Point) -> Timeline:
    counting = any(point.kind is Kind.COUNTER for point in points)
    return Timeline(points, (Window(length="1m", statistics=("delta",) if counting else ("mean", "last")),))


def poll(time: Timeline, until: float, *, since: float | None = None, ago: float = 0.0) -> None:
    """Sample every point each ten seconds; a value is the seconds since the start."""
    time.t = time.t if since is None else since
    while time.t < until:
        if time.t % 10 == 0:
            for point in time.product.points:
                time.feed(point.name, time.t, ago=ago)
        time.until(min(until, time.t // 1 + 1))


def off(time: Timeline, seconds: float) -> None:
    """Stop cleanly, and start *seconds* later."""
    time._save(stopping=True)
    time.t += seconds
    time.crash()


def states(time: Timeline) -> list[tuple[float, State, str]]:
    return [((one.start - EIGHT) / 60, one.state, one.why) for one in time.aggregates]


# --- stops --------------------------------------------------------------------------------------------


def test_who_stops_and_starts_after_the_end_of_a_window_has_missed_nothing_of_the_next() -> None:
    time = play(POWER)
    poll(time, 59)
    time.until(61)
    off(time, 0)
    poll(time, 122)
    assert states(time) == [(0, State.OK, ""), (1, State.OK, "")]


@pytest.mark.parametrize(("last", "away"), [(59, 1), (61, 0)], ids=["before-it", "with-its-first-sample"])
def test_who_stops_at_the_end_of_a_window_has_seen_all_of_it(last: float, away: float) -> None:
    time = play(POWER)
    poll(time, min(last, 60))
    time.until(60)
    if last > 60:
        time.feed("meter.power", 60.0)
    off(time, away)
    poll(time, 122)
    assert states(time) == [(0, State.OK, ""), (1, State.OK, "")]


def test_who_starts_with_a_window_has_missed_nothing_of_it() -> None:
    time = play(POWER)
    poll(time, 58)
    off(time, 2)
    poll(time, 122)
    assert states(time) == [(0, State.PARTIAL, "stopped"), (1, State.OK, "")]


def test_who_starts_within_a_window_has_missed_some_of_it() -> None:
    time = play(POWER)
    poll(time, 58)
    off(time, 3)
    poll(time, 122)
    assert states(time)[1] == (1, State.PARTIAL, "started")


def test_the_highest_and_the_lowest_of_before_a_stop_are_those_of_the_window() -> None:
    time = Timeline((POWER,), (Window(length="1m", statistics=("min", "max", "last")),))
    for at, value in {0: 5.0, 10: 9.0, 20: 1.0, 30: 6.0}.items():
        time.until(at)
        time.feed("meter.power", value)
    time.until(35)
    off(time, 0)
    for at in (40, 50):
        time.until(at)
        time.feed("meter.power", 7.0)
    time.until(62)
    assert time.aggregates[0].values == (1.0, 9.0, 7.0)


# --- counters over stops and crashes ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "state", "why"),
    [(50, State.PARTIAL, "started"), (35, State.PARTIAL, "started"), (30, State.UNCERTAIN, "restart")],
)
def test_after_a_crash_an_increment_is_of_its_window_if_the_reading_before_held_until_it_began(
    last: float, state: State, why: str
) -> None:
    time = play(ENERGY)
    poll(time, 31)
    time.until(last)
    time.feed("meter.energy", last)
    time.until(65)
    time.crash()
    poll(time, 122)
    told = time.aggregates[1]
    assert (told.values, told.state, told.why) == ((110 - last,), state, why)


def test_what_a_counter_counted_from_its_first_reading_until_a_crash_is_not_lost() -> None:
    time = play(ENERGY, ROOF)
    time.until(61)
    time.feed("meter.energy", 100.0)
    time.until(65)  # the window before, which knew nothing of either, has been told and saved
    time.crash()
    time.until(70)
    time.feed("meter.energy", 130.0)
    time.until(122)
    told = {one.point: one.values for one in time.aggregates[2:]}
    assert told == {"meter.energy": (30.0,), "roof.energy": (None,)}


@pytest.mark.parametrize(("last", "state", "why"), [(110, State.OK, ""), (70, State.UNCERTAIN, "silent")])
def test_a_reading_that_was_handed_over_is_as_old_as_it_was(last: float, state: State, why: str) -> None:
    time = play(ENERGY)
    poll(time, last + 1)
    time.until(115)
    off(time, 0)
    time.until(121)
    time.feed("meter.energy", 121.0)
    poll(time, 182)
    told = time.aggregates[2]
    assert (told.values, told.state, told.why) == ((170 - last,), state, why)


def test_a_counter_that_no_reading_was_had_of_is_handed_over_too() -> None:
    time = play(ENERGY)
    time.until(30)
    off(time, 0)
    poll(time, 62)
    assert time.aggregates[0].values == (20.0,)


def test_a_counter_that_is_asked_for_no_more_is_forgotten() -> None:
    both, one = play(ENERGY, ROOF), play(ENERGY)
    poll(both, 65)
    one.saved, one.t = both.saved, 65.0
    one.crash()
    poll(one, 122)
    assert [each.values for each in one.aggregates] == [(60.0,)]
    one._save(stopping=False)
    assert "roof" not in str(one.saved)


# --- clocks -------------------------------------------------------------------------------------------


def test_a_clock_that_drifts_moves_no_window_that_is_open() -> None:
    time = play(POWER)
    poll(time, 31)
    time.set_clock(0.75)
    poll(time, 59)
    time.t = 59.5
    time.feed("meter.power", 7.0)
    time.until(63)
    assert (time.aggregates[0].n, time.aggregates[0].values[1]) == (7, 7.0)


def merged(second: float | None, why: str = "") -> list[Aggregate]:
    """Let two windows become one: half a minute of the first comes again, by a clock that is set back.

    A point that says nothing keeps the first one open.
    """
    time = play(POWER, QUIET)
    for at in range(0, 60, 10):
        time.until(at)
        quality = Quality.UNCERTAIN if why else Quality.GOOD
        time.feed("meter.power", float(at), quality=quality, why=why)
    time.until(60)
    time.feed("meter.power", second, why="no_reply" if second is None else "")
    time.until(61)
    time.set_clock(-30)
    time.until(92)
    return [one for one in time.aggregates if one.point == "meter.power"]


def test_two_windows_that_turn_out_to_be_one_are_told_as_one_and_in_doubt() -> None:
    [told] = merged(9.0)
    mean = (50 * 20 + 50 * 10 + 9 * 25) / 85  # 0 to 50 for ten seconds each, and 9 for as long as it holds
    assert (told.start, told.width, told.n) == (EIGHT, 60, 7)
    assert told.values == pytest.approx((mean, 9.0))
    assert (told.state, told.why, told.synced) == (State.UNCERTAIN, "clock", True)


def test_of_two_windows_that_are_one_the_last_value_is_the_last_there_was() -> None:
    [told] = merged(None)
    assert (told.n, told.values[1], told.why) == (6, 50.0, "clock")


def test_of_two_windows_that_are_one_an_older_doubt_is_told() -> None:
    [told] = merged(None, "out_of_range")
    assert (told.state, told.why) == (State.UNCERTAIN, "out_of_range")


def test_what_a_counter_counted_in_a_window_that_came_before_is_told_with_the_next_and_in_doubt() -> None:
    time = play(ENERGY)
    poll(time, 130)
    time.set_clock(-90)
    poll(time, 300)
    told = [one for one in time.aggregates if one.values[0] is not None]
    assert [(one.start - EIGHT) / 60 for one in told] == [0, 1, 2]
    assert (told[2].state, told[2].why) == (State.UNCERTAIN, "clock")
    assert sum(one.values[0] or 0 for one in told) == 260
