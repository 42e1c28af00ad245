"""Whatever happens to samples, files and the process: nothing that a mode withholds reaches the outbox."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.core.plan import Plan
from agent.core.product import Privacy, Product
from tests.agent.privacy.street import DOORS, FLATS, SEEN, Row, Street, plan, product

MODES = [
    Privacy(mode="suppress", k=5),
    Privacy(mode="suppress", k=10, round=5),
    Privacy(mode="hold", k=5),
    Privacy(mode="hold", k=12, round=6, longest="week"),
    Privacy(mode="dp", epsilon="1/2", sensitivity=2, round=5),
]
WINDOWS = [("1m", 60.0), ("5m", 300.0)]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    products = [
        product(name, points, draw(st.sampled_from(MODES)), window=window, seconds=seconds)
        for name, points in (("doors", DOORS), ("square", SEEN))
        for window, seconds in [draw(st.sampled_from(WINDOWS))]
    ]
    homes = Privacy(mode="min-sources", max_share=draw(st.sampled_from([0.5, 0.3])))
    return plan(*products, *([product("homes", FLATS, homes)] if draw(st.booleans()) else []))


HAPPENS = st.one_of(
    st.tuples(st.just("minute"), st.none() | st.integers(0, 12), st.none() | st.integers(0, 4)),
    st.tuples(st.just("minute"), st.integers(0, 3), st.integers(0, 1)),
    st.tuples(st.just("reload"), plans()),
    st.tuples(st.sampled_from(["stop", "crash"])),
    st.tuples(st.just("restart"), plans()),
    st.tuples(st.just("jump"), st.integers(20, 400)),
    st.tuples(st.just("home"), st.integers(1, 30)),
    st.tuples(st.just("clock"), st.sampled_from([-400, -70, -3, 45, 130, 90_000])),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans(), st.lists(HAPPENS, max_size=12))
def test_nothing_that_is_withheld_ever_reaches_the_outbox(
    first: Plan, happens: list[tuple[Any, ...]]
) -> None:
    street = Street(first)
    for what in happens:
        _happen(street, *what)
    street.wait(310)
    street.stop()
    for row in street.rows:
        _judge(row)
    if any(what == "clock" for what, *_ in happens):
        return  # labels of windows may shift then; none is told twice, which windows have tests for
    spans_of: dict[str, list[tuple[float, float]]] = {}
    for row in street.rows:
        if row["value"] is not None and row["product"].privacy.mode in ("suppress", "hold"):
            # files that changed the windows begin new ones; what is seen in them is new too
            cut = f"{row['product'].span} {row['product'].privacy} {row['point']}"
            spans_of.setdefault(cut, []).append((row["start"], row["start"] + row["width"]))
    for spans in spans_of.values():
        assert all(end <= start for (_, end), (start, _) in pairwise(sorted(spans))), "disjoint"


def _happen(street: Street, what: str, *values: Any) -> None:  # noqa: ANN401 - what was drawn
    match what:
        case "minute":
            street.minute(**dict(zip(("in", "out"), values, strict=True)))
        case "reload":
            street.reload(values[0])
        case "restart":
            street.restart_with(values[0])
        case "clock":
            street.set_clock(values[0])
        case "jump":
            street.jump(values[0])
        case "home":
            street.minute(flat_1=float(values[0]))
        case "stop":
            street.stop()
        case _:
            street.crash()


def _judge(row: Row) -> None:
    made: Product = row["product"]
    privacy, value = made.privacy, row["value"]
    match privacy.mode:
        case "suppress" | "hold":
            assert value is None or value >= privacy.k
            assert (value is None) == (row["state"] in ("suppressed", "no_data"))
            assert row["n"] is None or value is not None or row["state"] == "no_data"
            if privacy.round and value is not None:
                assert value % privacy.round == 0
                assert row["n"] is None
            assert row["width"] == made.window or privacy.mode == "hold" or value is None
        case "dp":
            held_before = row["state"] == "suppressed"  # of a run under other files
            assert held_before or (value is None) == (row["state"] == "no_data")
            assert value is None or (value % 5 == 0 and row["n"] is None)
        case "min-sources":
            assert row["point"] == "flats.energy"
            assert (value is None) == (row["state"] in ("suppressed", "no_data"))
            assert value != 0
