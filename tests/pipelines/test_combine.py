"""One point of many: whole windows, what each device gave, and honest states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.core.point import Kind, Point, Scope
from agent.core.record import Aggregate, Event, State
from agent.core.sample import Sample
from pipelines.combine import Combine
from pipelines.window import Window
from tests.pipelines.stages import Hand
from tests.pipelines.timeline import Timeline

FLATS = tuple(
    Point(
        name=f"flat-{n}.energy",
        unit="kW.h",
        kind=Kind.COUNTER,
        quantity="energy",
        scope=Scope.HOUSEHOLD,
        every=10.0,
        resolution=0.1,
    )
    for n in range(1, 4)
)
ALL = Combine(name="flats.energy")
HOUR = Window(length="1m", statistics=("delta",))


def figure(
    n: int, value: float | None, *, state: State = State.OK, start: float = 0.0, why: str = ""
) -> Aggregate:
    seen = 0.0 if state is State.NO_DATA else 1.0
    return Aggregate(f"flat-{n}.energy", start, 60.0, 6, (value,), state, seen, why)


def combined(*figures: Aggregate, step: Combine = ALL) -> Aggregate:
    hand = Hand(step, *FLATS)
    found = [out for one in figures for out in hand.stage.feed(one)]
    found += hand.tick(1.0)
    (whole,) = found
    assert isinstance(whole, Aggregate)
    return whole


def test_meters_add_up_window_by_window() -> None:
    time = Timeline(FLATS, (HOUR, ALL))
    for t in range(0, 125, 10):
        time.until(t)
        for n, flat in enumerate(FLATS, 1):
            time.feed(flat.name, 100.0 * n + n * t / 10)
    time.until(124)
    first, second = time.of("flats.energy")
    assert [one.values for one in (first, second)] == [(5.0 + 10.0 + 15.0,), (36.0,)]
    assert second.parts == ((6.0,), (12.0,), (18.0,))
    assert len(time.aggregates) == 2, "single homes do not come out"


def test_the_new_point_is_described_by_those_it_is_made_of() -> None:
    (made,) = ALL.points(FLATS)
    assert (made.name, made.unit, made.kind, made.quantity) == ("flats.energy", "kW.h", "counter", "energy")
    assert (made.scope, made.resolution, made.every) == (Scope.HOUSEHOLD, 0.1, 10.0)
    (mean,) = Combine(name="flats.energy", figure="mean").points(FLATS)
    assert mean.resolution == 0.0


def test_the_new_point_tells_of_as_few_as_the_strictest_of_its_parts() -> None:
    scopes = (Scope.BUILDING, Scope.HOUSEHOLD, Scope.WORKSPACE)
    mixed = tuple(replace(one, scope=scope) for one, scope in zip(FLATS, scopes, strict=True))
    (made,) = ALL.points(mixed)
    assert made.scope is Scope.HOUSEHOLD
    (personal,) = ALL.points((replace(FLATS[0], personal=True), *FLATS[1:]))
    assert personal.personal


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (Point(name="x.energy", unit="MW.h", kind=Kind.COUNTER), "one unit"),
        (Point(name="x.energy", unit="kW.h"), "one kind"),
    ],
)
def test_what_does_not_measure_the_same_is_refused(other: Point, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        ALL.points((*FLATS, other))


def test_one_point_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="alone"):
        ALL.points(FLATS[:1])


def test_a_mean_is_over_the_devices_that_were_heard() -> None:
    mean = Combine(name="flats.energy", figure="mean")
    whole = combined(figure(1, 2.0), figure(2, 4.0), figure(3, None, state=State.NO_DATA), step=mean)
    assert (whole.values, whole.state) == ((3.0,), State.PARTIAL)


def test_a_whole_is_as_good_as_its_parts() -> None:
    silent = figure(3, None, state=State.NO_DATA, why="no_reply")
    part = combined(figure(1, 2.0), figure(2, 4.0), silent)
    assert (part.values, part.state, part.why, part.coverage) == ((6.0,), State.PARTIAL, "no_reply", 0.6667)
    doubt = combined(figure(1, 2.0), figure(2, 4.0, state=State.UNCERTAIN, why="reset"), silent)
    assert (doubt.state, doubt.why) == (State.UNCERTAIN, "reset")
    nothing = combined(*(figure(n, None, state=State.NO_DATA, why="silent") for n in (1, 2, 3)))
    assert (nothing.values, nothing.state, nothing.why) == ((None,), State.NO_DATA, "silent")


def test_two_points_of_one_device_are_one_source() -> None:
    day, night = (Point(name=f"flat-1.{name}", kind=Kind.COUNT) for name in ("day", "night"))
    hand = Hand(ALL, day, night, Point(name="flat-2.day", kind=Kind.COUNT))
    figures = [Aggregate(name, 0.0, 60.0, 1, (1.0,)) for name in hand.stage._sources]  # type: ignore[attr-defined]
    (whole,) = [out for one in figures for out in hand.stage.feed(one)]
    assert isinstance(whole, Aggregate)
    assert whole.parts == ((2.0,), (1.0,))


def test_windows_do_not_mix() -> None:
    hand = Hand(ALL, *FLATS)
    assert list(hand.stage.feed(figure(1, 1.0))) == []
    (early,) = hand.stage.feed(figure(1, 5.0, start=60.0))
    assert isinstance(early, Aggregate)
    assert (early.start, early.values) == (0.0, (1.0,))


def test_samples_end_here_and_events_about_other_things_pass() -> None:
    hand = Hand(ALL, *FLATS)
    event = Event("boiler.x", "threshold", "warning", 0.0, 1.0, "1", "")
    assert list(hand.stage.feed(event)) == [event]
    assert list(hand.stage.feed(Sample("flat-1.energy", 1.0, 0.0))) == []
    about_one = Event("flat-1.energy", "threshold", "warning", 0.0, 1.0, "kW.h", "")
    assert list(hand.stage.feed(about_one)) == []


def test_a_figure_of_a_point_that_was_not_asked_for_goes_nowhere() -> None:
    hand = Hand(ALL, *FLATS)
    assert list(hand.stage.feed(figure(9, 1.0))) == []
    assert hand.tick(1.0) == []


def test_one_passage_weighs_as_much_as_all_points_that_it_touches() -> None:
    assert ALL.weigh({"a.x": 1, "b.x": 2}) == {"flats.energy": 3}
    with pytest.raises(ValueError, match="figure"):
        Combine(name="a.b", figure="mean").weigh({"a.x": 1})


@given(st.lists(st.none() | st.floats(0, 1e6), min_size=3, max_size=3))
def test_parts_and_whole_agree(values: list[float | None]) -> None:
    states = [State.NO_DATA if one is None else State.OK for one in values]
    whole = combined(*(figure(n, v, state=s) for n, (v, s) in enumerate(zip(values, states, strict=True), 1)))
    known = [part[0] for part in whole.parts if part[0] is not None]
    assert whole.values[0] == (pytest.approx(sum(known)) if known else None)


def test_two_points_can_be_combined_and_one_cannot() -> None:
    assert len(ALL.points(FLATS[:2])) == 1
    with pytest.raises(ValueError, match="one point alone cannot be combined"):
        ALL.points(FLATS[:1])


def test_the_first_point_that_measures_something_else_is_named_beside_the_first_of_all() -> None:
    with pytest.raises(ValueError, match=r'"flat-1\.energy" is in kW\.h, "flat-2\.energy" in W\.h'):
        ALL.points((FLATS[0], replace(FLATS[1], unit="W.h"), FLATS[2]))


def test_a_whole_has_as_many_samples_as_its_parts_together() -> None:
    none = replace(figure(2, None, state=State.NO_DATA), n=0)
    withheld = replace(figure(3, 4.0), n=None)
    assert combined(figure(1, 5.0), none, withheld).n == 6
    assert combined(figure(1, 5.0), figure(2, 1.0), figure(3, 4.0)).n == 18
