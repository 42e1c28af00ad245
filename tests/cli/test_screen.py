"""Tables, spans and sizes read well."""

from __future__ import annotations

import pytest

from agent.cli.screen import figure, size, span, table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.25, "250 ms"), (1, "1 s"), (90, "1.5 min"), (7200, "2 h"), (400 * 86400, "400 d")],
)
def test_a_span_is_written_in_its_largest_unit(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(12, "12 B"), (1745, "1.75 KB"), (512_000_000, "512 MB")])
def test_a_size_is_written_in_its_largest_unit(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (12.5, "12.5"), (100.0, "100"), (-0.125, "-0.125")])
def test_a_figure_has_no_needless_zeros(value: float | None, text: str) -> None:
    assert figure(value) == text


def test_columns_line_up_and_numbers_stand_right() -> None:
    drawn = table(("point", "value"), [("a", "5"), ("longer", "12.25")])
    assert drawn.splitlines() == ["  point   value", "  a           5", "  longer  12.25"]


def test_an_empty_table_says_so() -> None:
    assert table(("a",), []) == "  (none)"
