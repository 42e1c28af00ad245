"""Plans cover every value once, within every limit, at the least cost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.duration import Duration
from drivers.modbus.device import ModbusDevice
from drivers.modbus.plan import TCP, Block, Cost, Limits, Span, blocks, is_divisible, split
from drivers.modbus.point import ModbusPoint, Table

TABLES: tuple[Table, ...] = ("input", "holding", "coil", "discrete")
SERIAL = Cost(33.9, 2.29)


def span(start: int, size: int = 2, table: Table = "input") -> Span:
    return Span(table, start, size, f"{table}_{start}_{size}")


@st.composite
def devices(draw: st.DrawFn) -> list[Span]:
    """Points of all widths, overlapping ones too, near each other and far away."""
    made = draw(
        st.lists(
            st.tuples(st.sampled_from(TABLES), st.integers(0, 400), st.sampled_from((1, 2, 4))), max_size=25
        )
    )
    return [
        Span(table, start, 1 if table in ("coil", "discrete") else size, f"p{i}")
        for i, (table, start, size) in enumerate(made)
    ]


@given(devices(), st.integers(4, 125), st.integers(1, 2000), st.sampled_from((TCP, SERIAL, Cost(1, 10))))
@settings(deadline=None)
def test_each_point_is_covered_exactly_once_and_whole(
    spans: list[Span], registers: int, bits: int, cost: Cost
) -> None:
    limits = Limits(registers, bits)
    plan = blocks(spans, cost=cost, limits=limits)
    assert sorted(one for block in plan for one in block.spans) == sorted(spans)
    for block in plan:
        assert 1 <= block.size <= limits.of(block.table)
        for one in block.spans:
            assert one.table == block.table
            assert block.start <= one.start
            assert one.end <= block.end


@given(devices(), st.data())
@settings(deadline=None)
def test_no_request_covers_what_was_refused(spans: list[Span], data: st.DataObject) -> None:
    first = blocks(spans, cost=TCP, limits=Limits())
    refused = [block for block in first if len(block.spans) > 1 and data.draw(st.booleans())]
    for block in blocks(spans, cost=TCP, limits=Limits(), refused=refused):
        assert len(block.spans) == 1 or not any(block.covers(bad) for bad in refused)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8, unique=True), st.integers(4, 40))
@settings(deadline=None)
def test_no_cover_is_cheaper(starts: list[int], limit: int) -> None:
    spans = [span(start) for start in sorted(starts)]
    plan = blocks(spans, cost=SERIAL, limits=Limits(limit))

    def price(parts: list[list[Span]]) -> float:
        return sum(SERIAL.of("input", max(one.end for one in part) - part[0].start) for part in parts)

    def covers(rest: list[Span]) -> list[list[list[Span]]]:
        if not rest:
            return [[]]
        return [
            [rest[:cut], *more]
            for cut in range(1, len(rest) + 1)
            if cut == 1 or max(one.end for one in rest[:cut]) - rest[0].start <= limit
            for more in covers(rest[cut:])
        ]

    best = min(price(parts) for parts in covers(spans))
    assert price([list(block.spans) for block in plan]) == pytest.approx(best)


def test_neighbours_within_the_limit_become_one_request() -> None:
    plan = blocks([span(i) for i in range(0, 80, 2)], cost=TCP, limits=Limits(80))
    assert [(one.start, one.size) for one in plan] == [(0, 80)]


def test_one_register_above_the_limit_makes_a_second_request() -> None:
    plan = blocks([span(i, 1) for i in range(101)], cost=TCP, limits=Limits(100))
    assert sorted(one.size for one in plan) == [1, 100]
    assert sum(len(one.spans) for one in plan) == 101


def test_a_gap_is_read_where_that_is_cheaper_than_asking_twice() -> None:
    pair = [span(0), span(2 + 14), span(100)]
    assert [one.size for one in blocks(pair, cost=SERIAL, limits=Limits())] == [18, 2]
    assert [one.size for one in blocks(pair, cost=TCP, limits=Limits())] == [102]


def test_a_value_inside_another_does_not_shrink_the_request() -> None:
    plan = blocks([span(0, 4), span(1, 1)], cost=TCP, limits=Limits())
    assert [(one.start, one.size) for one in plan] == [(0, 4)]


def test_a_value_as_long_as_the_limit_is_read() -> None:
    plan = blocks([span(0, 4)], cost=TCP, limits=Limits(4))
    assert [(one.start, one.size) for one in plan] == [(0, 4)]


def test_a_value_longer_than_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="more than the limit"):
        blocks([span(0, 4)], cost=TCP, limits=Limits(2))


def test_a_refused_block_is_cut_at_its_largest_gap() -> None:
    (block,) = blocks([span(0), span(2), span(10), span(12)], cost=TCP, limits=Limits())
    assert [(one.start, one.size) for one in split(block)] == [(0, 4), (10, 4)]


def test_a_refused_block_without_gaps_is_cut_through_the_middle() -> None:
    (block,) = blocks([span(i, 1) for i in range(8)], cost=TCP, limits=Limits())
    assert [(one.start, one.size) for one in split(block)] == [(0, 4), (4, 4)]


@given(devices())
def test_cutting_loses_no_point(spans: list[Span]) -> None:
    for block in blocks(spans, cost=TCP, limits=Limits()):
        if len(block.spans) > 1:
            before, after = split(block)
            assert sorted((*before.spans, *after.spans)) == sorted(block.spans)
            assert block.covers(before)
            assert block.covers(after)


def test_a_block_covers_only_its_own_table() -> None:
    assert not Block("input", 0, 10, ()).covers(Block("holding", 2, 2, ()))


def grouped(start: int, group: str, size: int = 2) -> Span:
    return Span("input", start, size, f"input_{start}", group)


def test_points_of_a_group_are_read_in_one_request_whatever_lies_between_them() -> None:
    dear = Cost(1.0, 1000.0)
    plan = blocks([grouped(0, "a"), grouped(60, "a"), grouped(90, "b")], cost=dear, limits=Limits())
    assert [(one.start, one.size) for one in plan] == [(0, 62), (90, 2)]
    assert [one.size for one in blocks([span(0), span(60), span(90)], cost=dear, limits=Limits())] == [
        2,
        2,
        2,
    ]


def test_a_refusal_elsewhere_does_not_keep_neighbours_apart() -> None:
    (far,) = blocks([span(300), span(302)], cost=TCP, limits=Limits())
    plan = blocks([span(0), span(2), span(300), span(302)], cost=TCP, limits=Limits(), refused=[far])
    assert [(one.start, one.size) for one in plan] == [(0, 4), (300, 2), (302, 2)]
    (behind,) = blocks([span(306)], cost=TCP, limits=Limits())
    plan = blocks([span(300), span(302)], cost=TCP, limits=Limits(), refused=[behind])
    assert [(one.start, one.size) for one in plan] == [(300, 4)]


def test_a_group_longer_than_the_limit_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="a needs 62 registers at once"):
        blocks([grouped(0, "a"), grouped(60, "a")], cost=TCP, limits=Limits(registers=40))


def test_a_refused_group_is_not_cut() -> None:
    (whole,) = blocks([grouped(0, "a"), grouped(2, "a"), span(4)], cost=TCP, limits=Limits())
    first, second = split(whole)
    assert is_divisible(whole)
    assert not is_divisible(first)
    assert is_divisible(Block("input", 0, 4, (span(0), span(2))))
    assert [one.start for one in first.spans] == [0, 2]
    assert [one.start for one in second.spans] == [4]


def test_a_refused_block_is_cut_at_a_gap_of_one_register_too() -> None:
    spans = (span(0), span(2), span(4), span(7))
    first, second = split(Block("input", 0, 9, spans))
    assert (first.size, second.start) == (6, 7)


def test_sixteen_bits_cost_what_a_register_does() -> None:
    assert SERIAL.of("coil", 32) == SERIAL.of("input", 2)


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (
            {"a": {"addr": 1, "group": "g"}, "b": {"addr": 2, "table": "input", "group": "g"}},
            'group "g" lie in different tables',
        ),
        (
            {"a": {"addr": 1, "group": "g"}, "b": {"addr": 2, "every": Duration(60), "group": "g"}},
            "or differ in every",
        ),
        (
            {"a": {"addr": 1, "group": "g"}, "b": {"addr": 99, "group": "g"}},
            'group "g" takes 99 registers, but max_block is 50',
        ),
    ],
)
def test_points_that_no_single_request_can_read_are_no_group(points: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ModbusDevice(
            name="x", max_block=50, points={name: ModbusPoint(**one) for name, one in points.items()}
        )
