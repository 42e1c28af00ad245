"""Tables, spans and sizes read well."""

from __future__ import annotations

import pytest

from agent.cli.screen import figure, sentence, size, span, table, wrapped


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.25, "250 ms"), (1, "1 s"), (90, "1.5 min"), (7200, "2 h"), (400 * 86400, "400 d")],
)
def test_a_span_is_written_in_its_largest_unit(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(12, "12 B"), (1745, "1.75 KB"), (512_000_000, "512 MB")])
def test_a_size_is_written_in_its_largest_unit(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (5.9e34, "5.9e+34"), (12.5, "12.5"), (100.0, "100"), (-0.125, "-0.125")]
)
def test_a_figure_has_no_needless_zeros(value: float | None, text: str) -> None:
    assert figure(value) == text


def test_columns_line_up_and_numbers_stand_right() -> None:
    drawn = table(("point", "value"), [("a", "5"), ("longer", "12.25")])
    assert drawn.splitlines() == ["  point   value", "  a           5", "  longer  12.25"]


def test_columns_that_do_not_fit_go_on_below_under_heads_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    drawn = table(("point", "value", "quality"), [("meter.power", "5", "good"), ("a", "12.25", "bad")])
    assert drawn.splitlines() == [
        "  point        value",
        "      quality",
        "  meter.power      5",
        "      good",
        "  a            12.25",
        "      bad",
    ]


def test_a_pipe_gets_whole_lines_however_long() -> None:
    assert table(("a", "b"), [("x" * 300, "y" * 300)]).count("\n") == 1


def test_sentences_break_where_the_screen_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sentence("a " * 50).count("\n") == 0
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, sentence("word " * 50).splitlines())) <= 40
    assert max(map(len, wrapped(["requests 12"] * 9).splitlines())) <= 40


def test_a_terminal_is_not_obeyed() -> None:
    drawn = table(("label",), [("\x1b]0;owned\x07",)])
    assert "\x1b" not in drawn
    assert "owned" in drawn


def test_an_empty_table_says_so() -> None:
    assert table(("a",), []) == "  (none)"
