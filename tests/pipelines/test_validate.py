"""Samples that cannot be true lose their quality and keep their value."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from agent.core.duration import Duration
from agent.core.point import Kind, Point
from agent.core.record import Event
from agent.core.sample import Meter, Quality, Sample
from agent.core.settings import decode_hook
from pipelines.validate import Validate
from tests.pipelines.stages import Hand

POWER = Point(name="a.b", unit="W", every=10.0, minimum=0.0, maximum=100_000.0)
TEMPERATURE = Point(name="a.b", unit="Cel", every=10.0)
ENERGY = Point(name="a.e", unit="kW.h", kind=Kind.COUNTER, every=10.0)


@pytest.mark.parametrize(
    ("value", "good"), [(-0.1, False), (0.0, True), (100_000.0, True), (100_000.1, False)]
)
def test_a_value_beyond_what_the_point_can_be_is_bad(value: float, good: bool) -> None:
    sample = Hand(Validate(), POWER).one(1, value)
    assert sample.value == value
    assert (sample.quality, sample.why) == ((Quality.GOOD, "") if good else (Quality.BAD, "out_of_range"))


def test_limits_of_the_step_come_before_those_of_the_point() -> None:
    hand = Hand(Validate(minimum=-50.0, maximum=50.0), POWER)
    assert hand.one(1, -20.0).quality is Quality.GOOD
    assert hand.one(2, 60.0).why == "out_of_range"


def test_a_slope_is_converted_to_the_unit_of_the_point() -> None:
    hand = Hand(Validate(slope="2 kW/s"), POWER)
    assert hand.one(0, 1000.0).quality is Quality.GOOD
    assert hand.one(10, 21_000.0).quality is Quality.GOOD
    assert (hand.one(20, 41_001.0).quality, hand.one(20, 41_001.0).why) == (Quality.UNCERTAIN, "slope")


def test_a_spike_is_doubted_and_the_way_back_is_not() -> None:
    hand = Hand(Validate(slope="1 kW/min", mark="bad"), POWER)
    doubts = [hand.one(10 * n, value).why for n, value in enumerate([500.0, 510.0, 9000.0, 520.0, 530.0])]
    assert doubts == ["", "", "slope", "", ""]


def test_a_change_that_lasts_is_believed_in_time() -> None:
    hand = Hand(Validate(slope="100 W/s"), POWER)
    hand.one(0, 0.0)
    assert [hand.one(t, 3000.0).quality for t in (10, 20, 30, 40)] == [
        Quality.UNCERTAIN,
        Quality.UNCERTAIN,
        Quality.GOOD,
        Quality.GOOD,
    ]


def test_a_slope_in_fahrenheit_knows_no_zero_point() -> None:
    hand = Hand(Validate(slope="9 [degF]/min"), TEMPERATURE)
    hand.one(0, 20.0)
    assert hand.one(60, 25.0).quality is Quality.GOOD
    assert hand.one(120, 30.1).why == "slope"


def test_a_slope_leaves_points_alone_that_measure_something_else() -> None:
    hand = Hand(Validate(slope="1 W/s"), POWER, ENERGY)
    hand.one(0, 0.0, "a.e")
    assert hand.one(1, 50.0, "a.e").quality is Quality.GOOD


def test_a_slope_that_suits_no_point_is_refused() -> None:
    with pytest.raises(ValueError, match=r'slope "1 Cel/s" is about temperature, and none'):
        Validate(slope="1 Cel/s").points((POWER, ENERGY))


@pytest.mark.parametrize(
    "slope", ["50", "50 kW", "fast", "50kW/s", "-1 kW/s", "0 kW/s", "50 kW/kW", "50 /s/s/", "nan W/s"]
)
def test_a_slope_that_is_none_is_refused(slope: str) -> None:
    with pytest.raises(ValueError, match=r"expected a change by time|no unit"):
        Validate(slope=slope)


def test_an_unknown_unit_of_a_slope_finds_the_right_one() -> None:
    with pytest.raises(ValueError, match=r'"kWh"; did you mean "kW\.h"'):
        Validate(slope="5 kWh/h")


def test_a_gauge_that_never_moves_is_stuck() -> None:
    hand = Hand(Validate(stuck=Duration(60)), TEMPERATURE)
    assert [hand.one(t, 20.0).why for t in (0, 30, 60, 61, 90)] == ["", "", "", "stuck", "stuck"]
    assert hand.one(100, 20.1).quality is Quality.GOOD


def test_counters_and_states_may_stand_still() -> None:
    pump = Point(name="a.p", kind=Kind.STATE)
    hand = Hand(Validate(stuck=Duration(60)), ENERGY, pump)
    for t in (0, 600):
        assert hand.one(t, 1.0, "a.e").quality is Quality.GOOD
        assert hand.one(t, 1.0, "a.p").quality is Quality.GOOD


def test_a_pattern_says_which_points_are_meant() -> None:
    other = Point(name="c.b", unit="W", maximum=5.0)
    hand = Hand(Validate(point="a.*", maximum=10.0), POWER, other)
    assert hand.one(0, 11.0).why == "out_of_range"
    assert hand.one(0, 11.0, "c.b").quality is Quality.GOOD


def test_a_name_that_is_no_point_finds_the_nearest() -> None:
    with pytest.raises(ValueError, match=r'no point here is called "a\.bb"; did you mean "a\.b"'):
        Validate(point="a.bb").points((POWER, ENERGY))


def test_bad_samples_and_records_pass_as_they_are() -> None:
    hand = Hand(Validate(maximum=1.0), POWER)
    bad = Sample("a.b", None, 1.0, Quality.BAD, "no_reply")
    event = Event("a.b", "threshold", "info", 0.0, 7.0, "W", "")
    assert list(hand.stage.feed(bad)) == [bad]
    assert list(hand.stage.feed(event)) == [event]
    assert hand.tick(1) == []


def test_limits_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="minimum is above maximum"):
        Validate(minimum=2.0, maximum=1.0)


def test_settings_read_as_toml_gives_them() -> None:
    table = {"slope": "50 kW/s", "stuck": "2h", "mark": "bad"}
    assert msgspec.convert(table, Validate, dec_hook=decode_hook) == Validate(
        slope="50 kW/s", stuck=Duration(7200), mark="bad"
    )


@pytest.mark.parametrize(
    ("step", "second", "why"),
    [
        (lambda: Validate(minimum=10.0), 9.0, "out_of_range"),
        (lambda: Validate(maximum=10.0), 11.0, "out_of_range"),
        (lambda: Validate(slope="1 K/s"), 25.0, "slope"),
        (lambda: Validate(stuck=Duration(1)), 10.0, "stuck"),
    ],
    ids=["least", "most", "slope", "stuck"],
)
def test_each_check_works_by_itself(step: Callable[[], Validate], second: float, why: str) -> None:
    hand = Hand(step(), TEMPERATURE)
    assert hand.one(0, 10.0).why == ""
    assert hand.one(2, second).why == why


def test_limits_that_leave_one_value_are_limits() -> None:
    hand = Hand(Validate(minimum=5.0, maximum=5.0), TEMPERATURE)
    assert [hand.one(n, value).why for n, value in enumerate((5.0, 5.1, 4.9))] == [
        "",
        "out_of_range",
        "out_of_range",
    ]


@pytest.mark.parametrize(
    ("marks", "why"),
    [
        ([("aa", False), ("bb", False)], ""),
        ([("", True)], ""),
        ([("aa", True)], ""),
        ([("aa", False), ("aa", False)], "slope"),
        ([("aa", False)], "slope"),
    ],
    ids=["another", "new-and-unnamed", "new", "the-same", "named-for-the-first-time"],
)
def test_a_reading_is_compared_with_those_of_its_own_meter_alone(
    marks: list[tuple[str, bool]], why: str
) -> None:
    hand = Hand(Validate(point="a.e", slope="1 kW.h/h"), ENERGY, POWER)
    for name, new in marks[:-1]:
        list(hand.stage.feed(Meter("a.e", None, 0.0, meter=name, new=new)))
    assert hand.one(0, 70_000.0, "a.e").why == ""
    name, new = marks[-1]
    mark = Meter("a.e", None, 5.0, meter=name, new=new)
    assert list(hand.stage.feed(mark)) == [mark]
    assert hand.one(10, 1.0, "a.e").why == why


def test_word_of_a_meter_that_is_not_checked_passes() -> None:
    mark = Meter("a.z", None, 0.0, meter="aa")
    assert list(Hand(Validate(point="a.e", slope="1 kW.h/h"), ENERGY).stage.feed(mark)) == [mark]
