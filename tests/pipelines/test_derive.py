"""New points out of others: exact, fresh, or bad with a reason."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.point import Kind, Point, Scope
from agent.core.sample import Meter, Quality, Sample
from pipelines.arithmetic.expression import Expression
from pipelines.derive import Derive
from pipelines.window import Window
from tests.pipelines.stages import Hand
from tests.pipelines.timeline import Timeline

SUPPLY = Point(name="ahu-1.supply", unit="Cel", every=10.0)
RETURN = Point(name="ahu-1.return", unit="Cel", every=10.0)
FAN = Point(name="ahu-2.fan", unit="Hz")
OTHER = Point(name="ahu-2.supply", unit="Cel", every=10.0)
LIFT = Derive(name="lift", expression="supply - 'return'", unit="Cel", inputs="drop")


def test_a_result_comes_when_every_input_was_updated() -> None:
    hand = Hand(LIFT, SUPPLY, RETURN)
    assert hand.feed(0, 20.0, "ahu-1.supply") == []
    assert hand.feed(1, 15.0, "ahu-1.return") == [Sample("ahu-1.lift", 5.0, 1.0)]


def test_values_of_two_rounds_do_not_mix() -> None:
    hand = Hand(LIFT, SUPPLY, RETURN)
    given_ = []
    for n in range(3):
        given_ += hand.feed(10 * n, 20.0 + 100 * n, "ahu-1.supply")
        given_ += hand.feed(10 * n, 15.0 + 100 * n, "ahu-1.return")
    assert [item.value for item in given_ if isinstance(item, Sample)] == [5.0, 5.0, 5.0]


def test_an_input_that_is_updated_alone_gives_a_result_at_the_tick() -> None:
    hand = Hand(LIFT, SUPPLY, RETURN)
    hand.feed(0, 20.0, "ahu-1.supply")
    hand.feed(0, 15.0, "ahu-1.return")
    hand.feed(9, 21.0, "ahu-1.supply")
    assert hand.tick(10) == [Sample("ahu-1.lift", 6.0, 9.0)]
    assert hand.tick(11) == []


def test_an_input_that_comes_again_does_not_wait_for_the_tick() -> None:
    hand = Hand(LIFT, SUPPLY, RETURN)
    hand.feed(0, 15.0, "ahu-1.return")
    hand.feed(0, 20.0, "ahu-1.supply")
    assert hand.feed(0.3, 21.0, "ahu-1.supply") == []
    assert hand.feed(0.6, 22.0, "ahu-1.supply") == [Sample("ahu-1.lift", 6.0, 0.3)]


def test_nothing_comes_before_every_input_was_heard() -> None:
    hand = Hand(LIFT, SUPPLY, RETURN)
    hand.feed(0, 20.0, "ahu-1.supply")
    assert hand.tick(1) == []


def test_inputs_go_on_unless_they_are_dropped() -> None:
    keep = Derive(name="double", expression="supply * 2")
    hand = Hand(keep, SUPPLY)
    assert [item.point for item in hand.feed(0, 4.0, "ahu-1.supply") if isinstance(item, Sample)] == [
        "ahu-1.supply",
        "ahu-1.double",
    ]
    assert [point.name for point in hand.points] == ["ahu-1.supply", "ahu-1.double"]
    assert [point.name for point in LIFT.points((SUPPLY, RETURN, FAN))] == ["ahu-2.fan", "ahu-1.lift"]


def test_a_bad_input_makes_a_bad_result_with_its_reason() -> None:
    hand = Hand(LIFT, SUPPLY, RETURN)
    hand.feed(0, 20.0, "ahu-1.supply")
    assert hand.feed(0, None, "ahu-1.return", why="no_reply") == [
        Sample("ahu-1.lift", None, 0.0, Quality.BAD, "no_reply")
    ]


def test_an_uncertain_input_makes_an_uncertain_result() -> None:
    hand = Hand(LIFT, SUPPLY, RETURN)
    hand.feed(0, 20.0, "ahu-1.supply")
    assert hand.feed(0, 15.0, "ahu-1.return", quality=Quality.UNCERTAIN, why="slope") == [
        Sample("ahu-1.lift", 5.0, 0.0, Quality.UNCERTAIN, "slope")
    ]


def test_an_old_input_makes_a_bad_result() -> None:
    hand = Hand(LIFT, SUPPLY, RETURN)
    hand.feed(0, 20.0, "ahu-1.supply")
    hand.feed(0, 15.0, "ahu-1.return")
    hand.feed(25, 20.0, "ahu-1.supply")
    assert hand.tick(25) == [Sample("ahu-1.lift", 5.0, 25.0)]
    hand.feed(26, 20.0, "ahu-1.supply")
    assert hand.tick(26) == [Sample("ahu-1.lift", None, 26.0, Quality.BAD, "stale")]


@pytest.mark.parametrize(("expression", "value"), [("1 / supply", 0.0), ("supply * 1e308 * 1e308", 5.0)])
def test_what_is_no_number_is_bad(expression: str, value: float) -> None:
    hand = Hand(Derive(name="x", expression=expression, inputs="drop"), SUPPLY)
    assert hand.feed(0, value, "ahu-1.supply") == [Sample("ahu-1.x", None, 0.0, Quality.BAD, "not_finite")]


def test_a_result_goes_through_a_window_like_any_point() -> None:
    time = Timeline((SUPPLY, RETURN), (LIFT, Window(length="1m", statistics=("mean",))))
    for t in range(0, 70, 10):
        time.until(t)
        time.feed("ahu-1.supply", 20.0 + t)
        time.feed("ahu-1.return", 15.0 + t)
    time.until(62)
    assert [(one.point, one.values, one.n) for one in time.aggregates] == [("ahu-1.lift", (5.0,), 6)]


def test_the_new_point_is_as_personal_as_its_inputs() -> None:
    flat = Point(name="ahu-1.flat", scope=Scope.HOUSEHOLD, personal=True, every=60.0)
    new = Derive(name="x", expression="supply + flat", unit="kW", kind=Kind.STATE, resolution=0.5).points(
        (SUPPLY, flat)
    )[-1]
    assert new == Point(
        name="ahu-1.x",
        unit="kW",
        kind=Kind.STATE,
        scope=Scope.HOUSEHOLD,
        personal=True,
        every=60.0,
        resolution=0.5,
    )


def test_one_point_may_be_named_in_two_ways() -> None:
    hand = Hand(Derive(name="x", expression="supply + 'ahu-1.supply'", inputs="drop"), SUPPLY)
    assert hand.feed(0, 2.0, "ahu-1.supply") == [Sample("ahu-1.x", 4.0, 0.0)]


@pytest.mark.parametrize(
    ("points", "settings", "fault"),
    [
        (
            (SUPPLY, OTHER),
            {"expression": "1 + supply"},
            r"column 5: \"supply\" may be 'ahu-1.supply' or 'ahu-2.supply'",
        ),
        (
            (SUPPLY,),
            {"expression": "suply"},
            r"column 1: no point here is called \"suply\"; did you mean \"ahu-1.supply\"",
        ),
        ((SUPPLY, OTHER), {"expression": "'ahu-1.supply' - 'ahu-2.supply'"}, r"such as \"ahu-1\.x\""),
        ((SUPPLY, RETURN), {"name": "return", "expression": "supply"}, "already"),
    ],
)
def test_points_that_do_not_fit_are_refused(
    points: tuple[Point, ...], settings: dict[str, str], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        Derive(**({"name": "x"} | settings)).points(points)  # type: ignore[arg-type]


def test_several_devices_make_a_point_of_the_one_that_is_named() -> None:
    derive = Derive(name="ahu-1.gap", expression="'ahu-1.supply' - 'ahu-2.supply'")
    assert derive.points((SUPPLY, OTHER))[-1].name == "ahu-1.gap"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a", 6.0),
        ("-a + 1", -5.0),
        ("+a", 6.0),
        ("a - b - 1", 2.0),
        ("a / b / 2", 1.0),
        ("a - b * 2", 0.0),
        ("(a - b) * 2", 6.0),
        ("min(a, b, 1)", 1.0),
        ("max(a, b)", 6.0),
        ("abs(b - a)", 3.0),
        ("  1.5e1 * a", 90.0),
        ("(" * 150 + "a" + ")" * 150, 6.0),
        ("-" * 300 + "a", 6.0),
        ("'x-1.a' + a", 13.0),
    ],
)
def test_arithmetic_is_what_school_taught(expression: str, value: float) -> None:
    assert Expression(expression).compute({"a": 6.0, "b": 3.0, "x-1.a": 7.0}) == value


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("a +", "column 4"),
        ("a ** 2", "column 1: only"),
        ("1 + a % 2", "column 5: only"),
        ("a if b else c", "column 1: only"),
        ("__import__('os')", "column 1: only"),
        ("a.b", "column 1: only"),
        ("1 + a[0]", "column 5: only"),
        ("abs(a, b)", "column 1: abs takes one value"),
        ("2 * min(a)", "column 5: min takes two"),
        ("max(*a)", "takes two"),
        ("min(a, b, key=a)", "column 1: only"),
        ("min(a, *b)", "column 8: only"),
        ("True + a", "column 1: true and false"),
        ("a + 1j", "column 5: only"),
        ("a + " + "9" * 400, "longer than"),
        ("a + " + "9" * 350, "column 5: this number is too large"),
        ("a + 1e999", "column 5: this number is too large"),
        ("ä + lambda: 1", "column"),
        ("'ä' + b ** 1", "column 7: only"),
        ("lambda: a", "column 1: only"),
        ("a\x00b", "cannot be read|column"),
        ("a)", "column 2"),
        ("a\n+ 1", "column"),
        ("2 + 3", "names no point"),
        ("", "column 1"),
    ],
)
def test_everything_else_is_refused_with_its_column(expression: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Expression(expression)


@given(st.text(alphabet="ab01 +-*/(),.'minxs", max_size=40))
def test_any_text_is_an_expression_or_a_fault(text: str) -> None:
    try:
        expression = Expression(text)
    except ValueError:
        return
    with contextlib.suppress(ArithmeticError):
        expression.compute(dict.fromkeys(expression.names, 2.0))


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match=r'"kWh"; did you mean "kW\.h"'):
        Derive(name="x", expression="a", unit="kWh")


def test_word_of_the_meter_of_another_point_passes() -> None:
    hand = Hand(LIFT, SUPPLY, RETURN, FAN)
    mark = Meter("ahu-2.fan", None, 1.0, meter="x", new=True)
    assert list(hand.stage.feed(mark)) == [mark]
    hand.feed(2, 20.0, "ahu-1.supply")
    assert hand.feed(2, 15.0, "ahu-1.return") == [Sample("ahu-1.lift", 5.0, 2.0)]


def test_what_the_parser_cannot_take_is_refused_in_one_sentence() -> None:
    for text in ("a\0b", "a + '\ud800'"):
        with pytest.raises(ValueError, match=r"^expression "):
            Expression(text)
