"""What must hold for windows whatever comes: checked against slow and simple arithmetic."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.core.point import Kind, Point
from agent.core.record import Aggregate, State
from pipelines.window import Window
from tests.pipelines.timeline import EIGHT, Timeline

WIDTH = 60.0
END = 300.0
patient = settings(deadline=None)  # how long an example takes says nothing on a busy computer
Heard = list[tuple[float, float | None]]

halves = st.integers(0, int(2 * END) - 1).map(lambda n: n / 2)
values = st.one_of(st.none(), st.integers(-50, 50).map(float))


def course(least: int = 0) -> st.SearchStrategy[Heard]:
    """Draw samples of one point in order of time, at most one every half second; None is a bad one."""
    return st.dictionaries(halves, values, min_size=least, max_size=40).map(
        lambda found: sorted(found.items())
    )


def play(point: Point, window: Window, heard: Heard) -> Timeline:
    time = Timeline((point,), (window,))
    for at, value in heard:
        time.until(at)
        time.feed(point.name, value)
    time.until(END + 2)
    return time


def integral(heard: Heard, limit: float, start: float, end: float) -> tuple[float, float, float]:
    """Give the area, the observed time and the time not at zero between *start* and *end*, the slow way."""
    area = observed = nonzero = 0.0
    for (at, value), (then, _) in pairwise([*heard, (END * 2, None)]):
        if value is not None:
            held = min(then, at + limit, end) - max(at, start)
            if held > 0:
                area, observed = area + held * value, observed + held
                nonzero += held if value else 0.0
    return area, observed, nonzero


@patient
@given(course(), st.sampled_from([0.0, 1.0, 4.0, 30.0]))
def test_the_mean_is_the_integral_over_what_was_observed(heard: Heard, every: float) -> None:
    point = Point(name="a.b", every=every)
    window = Window(length="1m", statistics=("mean", "share", "min", "max"), coverage=0.9)
    time = play(point, window, heard)
    assert len(time.aggregates) == END / WIDTH
    for one in time.aggregates:
        start = one.start - EIGHT
        area, observed, nonzero = integral(heard, 2.5 * every or 1e9, start, start + WIDTH)
        good = [value for at, value in heard if value is not None and start <= at < start + WIDTH]
        assert one.n == len(good)
        if one.state is State.NO_DATA:
            assert not good
            assert set(one.values) == {None}
            assert observed < 0.9 * WIDTH
            continue
        assert one.coverage == pytest.approx(observed / WIDTH, abs=1e-4)
        assert (one.state is State.OK) == (one.coverage >= 0.9)
        mean, share, low, high = one.values
        assert mean is not None
        assert low is not None
        assert high is not None
        assert low <= mean <= high
        if observed:
            assert mean == pytest.approx(area / observed, abs=1e-9)
            assert share == pytest.approx(nonzero / observed, abs=1e-9)


@patient
@given(course())
def test_a_sum_loses_nothing_and_doubles_nothing(heard: Heard) -> None:
    time = play(Point(name="a.b", kind=Kind.COUNT), Window(length="1m", statistics=("sum",)), heard)
    published = sum(one.values[0] or 0.0 for one in time.aggregates)
    assert published == sum(value for _, value in heard if value is not None)


@patient
@given(st.lists(st.tuples(halves, st.floats(0, 200)), max_size=60))
def test_each_sample_is_counted_once_or_counted_as_late(sent: list[tuple[float, float]]) -> None:
    point = Point(name="a.b", kind=Kind.COUNT)
    time = Timeline((point,), (Window(length="1m", statistics=("sum",)),))
    for at, ago in sorted(sent):
        time.until(at)
        time.feed(point.name, 1.0, ago=ago)
    time.until(END + 62)
    assert sum(one.n or 0 for one in time.aggregates) + time.pipeline.late == len(sent)
    assert sum(one.values[0] or 0 for one in time.aggregates) + time.pipeline.late == len(sent)


class Meter:
    """A counter that grows, rolls over at a thousand, and knows what it counted in all."""

    def __init__(self) -> None:
        self.total = 0.0

    def turn(self, by: int) -> float:
        self.total += by
        return self.total % 1000


steps = st.lists(
    st.tuples(
        st.integers(1, 40),
        st.sampled_from(["read", "read", "read", "read", "fail", "stop", "crash", "reboot"]),
        st.integers(0, 120),
    ),
    max_size=25,
)


@patient
@given(steps)
def test_deltas_add_up_across_stops_crashes_reboots_and_rollovers(what: list[tuple[int, str, int]]) -> None:
    energy = Point(name="meter.energy", kind=Kind.COUNTER, every=5.0, rollover=1000.0)
    power = Point(name="meter.power", every=5.0)
    time = Timeline((energy, power), (Window(length="1m", statistics=("delta",)),))
    meter = Meter()
    time.feed(energy.name, meter.turn(0))
    time._save(stopping=False)
    for wait, happens, by in what:
        time.until(time.t + wait)
        match happens:
            case "read":
                time.feed(energy.name, meter.turn(by))
            case "fail":
                time.feed(energy.name, None)
            case "stop":
                time.stop()
            case "crash":
                time.crash()
            case _:
                time._save(stopping=True)
                time.reboot()
    time.feed(energy.name, meter.turn(0))
    time.until(time.t + 63)
    deltas = [one.values[0] for one in time.of(energy.name)]
    assert sum(delta for delta in deltas if delta is not None) == meter.total
    no_window_twice(time.of(energy.name))


@patient
@given(
    st.lists(
        st.tuples(
            st.integers(1, 30),
            st.sampled_from([-90000.0, -3600.0, -61.0, -5.0, -0.4, 0.4, 5.0, 61.0, 3600.0, 90000.0]),
            st.sampled_from(["", "", "stop", "crash"]),
        ),
        max_size=12,
    )
)
def test_no_window_comes_twice_however_the_clock_is_set(what: list[tuple[int, float, str]]) -> None:
    energy = Point(name="meter.energy", kind=Kind.COUNTER, every=5.0)
    door = Point(name="door.in", kind=Kind.COUNT, every=5.0)
    time = Timeline((energy, door), (Window(length="1m", statistics=("delta", "sum")),))
    passed = 0
    for wait, by, happens in [*what, (130, 0.0, "")]:
        for _ in range(wait):
            time.until(time.t + 1)
            time.feed(door.name, 1.0)
            time.feed(energy.name, float(passed))
            passed += 1
        time.set_clock(by)
        if happens == "stop":
            time.stop()
        elif happens == "crash":
            time.crash()
    for point in (energy, door):
        no_window_twice(time.of(point.name))
    assert sum(one.n or 0 for one in time.aggregates) <= 2 * passed


@patient
@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from([-90.0, -61.0, -5.0, 5.0, 61.0, 600.0])), max_size=6
    )
)
def test_clocks_that_are_set_change_no_counter(what: list[tuple[int, float]]) -> None:
    energy = Point(name="meter.energy", kind=Kind.COUNTER, every=1.0)
    time = Timeline((energy,), (Window(length="1m", statistics=("delta", "last")),))
    passed = 0
    back = -sum(by for _, by in what if by < 0)
    for wait, by in [*what, (int(back) + 130, 0.0)]:
        for _ in range(wait):
            time.feed(energy.name, float(passed))
            passed += 1
            time.until(time.t + 1)
        time.set_clock(by)
    published = [one for one in time.aggregates if one.n]
    deltas = [one.values[0] for one in published]
    assert published, "nothing is held back for longer than the clock was set back"
    assert sum(delta for delta in deltas if delta is not None) == published[-1].values[1]


SET = st.sampled_from([-3600.0, -600.0, -90.0, -61.0, -30.0, -5.0, -0.4, 0.4, 30.0, 61.0, 600.0, 3600.0])
LIVES = st.sampled_from(["fail", "stop", "crash", "reboot"])
SPARSE = st.lists(
    st.tuples(
        st.integers(0, 80),
        st.one_of(
            st.tuples(st.just("read"), st.integers(0, 50).map(float)),
            st.tuples(st.just("read"), st.integers(0, 50).map(float)),
            st.tuples(st.just("set"), SET),
            st.tuples(LIVES, st.just(0.0)),
        ),
    ),
    max_size=14,
)
Happened = list[tuple[int, tuple[str, float]]]


def lived(time: Timeline, happens: str, by: float) -> None:
    match happens:
        case "set":
            time.set_clock(by)
        case "stop":
            time.stop()
        case "crash":
            time.crash()
        case "reboot":
            time._save(stopping=True)
            time.reboot()


def set_back(what: Happened) -> float:
    return -sum(by for _, (happens, by) in what if happens == "set" and by < 0)


@patient
@given(SPARSE, st.sampled_from([0.0, 1.0, 30.0]))
@example([(62, ("set", -61.0)), (0, ("read", 1.0))], 1.0)  # the heir of a refused window heard nothing
@example([(62, ("set", -61.0)), (0, ("read", 1.0)), (122, ("crash", 0.0))], 1.0)
def test_readings_that_are_rare_lose_no_increment_however_the_clock_is_set(
    what: Happened, every: float
) -> None:
    energy = Point(name="meter.energy", kind=Kind.COUNTER, every=every)
    time = Timeline((energy,), (Window(length="1m", statistics=("delta",)),))
    total = 0.0
    time.feed(energy.name, total)
    time._save(stopping=False)
    for wait, (happens, by) in what:
        time.until(time.t + wait)
        if happens in ("read", "fail"):
            total += by
            time.feed(energy.name, total if happens == "read" else None)
        lived(time, happens, by)
    time.until(time.t + set_back(what) + 190)
    time.feed(energy.name, total)
    time.until(time.t + 130)
    assert sum(one.values[0] or 0.0 for one in time.of(energy.name)) == total


@patient
@given(SPARSE, st.sampled_from([0.0, 1.0, 30.0]))
def test_a_passage_is_counted_once_or_counted_as_late_however_the_clock_is_set(
    what: Happened, every: float
) -> None:
    door = Point(name="door.in", kind=Kind.COUNT, every=every)
    time = Timeline((door,), (Window(length="1m", statistics=("sum",)),))
    passed = 0
    for wait, (happens, by) in what:
        time.until(time.t + wait)
        if happens == "read":
            passed += 1
            time.feed(door.name, 1.0)
        if happens != "crash":  # what a crash takes with it is declared, and not here
            lived(time, happens, by)
    time.until(time.t + set_back(what) + 190)
    counted = sum(one.values[0] or 0.0 for one in time.aggregates)
    assert counted + time.late + time.pipeline.late == passed
    no_window_twice(time.aggregates)


@patient
@given(st.lists(st.integers(1, 100), max_size=8))
def test_a_clean_stop_leaves_no_trace_in_the_figures(stops: list[int]) -> None:
    points = (Point(name="meter.power", every=7.0), Point(name="meter.energy", kind=Kind.COUNTER, every=7.0))
    window = Window(length="1m", statistics=("mean", "min", "max", "last", "sum", "share", "delta"))
    whole, broken = Timeline(points, (window,)), Timeline(points, (window,))
    due = {sum(stops[: n + 1]) for n in range(len(stops))}
    for second in range(sum(stops) + 70):
        for time in (whole, broken):
            time.until(second)
            if second % 7 == 0:
                time.feed("meter.power", float(second * 37 % 11))
                time.feed("meter.energy", float(second))
        if second in due:
            broken.stop()
    assert broken.aggregates == whole.aggregates


def no_window_twice(aggregates: list[Aggregate]) -> None:
    starts = [one.start for one in aggregates]
    assert len(starts) == len(set(starts))
