"""A reason for a line that no test reaches is for a line that is there; and what is not reached is found."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.coverage.page import PAGE, renewed, table
from tests.coverage.reasons import ROOT, Reason, is_needed, reasons, stretches

REASONS = reasons()
_TEST = re.compile(r"tests/[\w/]+\.py")


@pytest.mark.parametrize("reason", REASONS, ids=lambda one: f"{one.file}: {one.after}{one.text.strip()}")
def test_a_reason_is_for_exactly_one_line(reason: Reason) -> None:
    assert reason.line()
    assert len(reason.why) > 20


def test_no_line_has_two_reasons() -> None:
    places = Counter((one.file, one.line()) for one in REASONS)
    assert [place for place, times in places.items() if times > 1] == []


@pytest.mark.parametrize("reason", [one for one in REASONS if _TEST.search(one.why)], ids=lambda one: one.why)
def test_a_test_that_a_reason_names_is_there_and_takes_long(reason: Reason) -> None:
    for file in _TEST.findall(reason.why):
        assert "mark.long" in (ROOT / file).read_text("utf-8"), file


def test_a_reason_for_a_line_that_is_gone_is_noticed() -> None:
    gone = Reason(file="agent/gate.py", text="what never stood there", why="x")
    with pytest.raises(ValueError, match="0 lines hold"):
        gone.line()


def test_a_line_that_stands_there_more_than_once_is_found_below_another_one() -> None:
    file, text = "tests/coverage/reasons.py", "first = last = at"
    lines = (ROOT / file).read_text("utf-8").split("\n")
    found = Reason(file=file, text=text, after="def _runs(", why="x").line()
    assert lines[found - 1].strip() == text
    with pytest.raises(ValueError, match="0 lines hold"):
        Reason(file=file, text=text, after="no such line", why="x").line()
    with pytest.raises(ValueError, match="0 lines hold"):
        Reason(file=file, text="def stretches(", after="def _runs(", why="x").line()


def test_lines_that_are_not_reached_are_told_in_stretches_with_their_reasons() -> None:
    file = REASONS[0].file
    at = REASONS[0].line()
    last = len((ROOT / file).read_text("utf-8").split("\n"))
    told = {
        "missing_lines": [at - 1, at, last - 1],
        "executed_lines": [at + 3],
        "missing_branches": [[at + 3, at + 9], [at, at + 1]],
    }
    found = list(stretches({file: told}, REASONS))
    assert [(one.first, one.last, one.way) for one in found] == [
        (at - 1, at, False),
        (last - 1, last - 1, False),
        (at + 3, at + 3, True),
    ]
    assert [one.reason for one in found] == [REASONS[0], None, None]
    assert is_needed(REASONS[0], told)
    assert not is_needed(REASONS[0], told | {"missing_lines": [at - 1], "missing_branches": []})


def test_the_table_sums_folders_and_the_page_keeps_all_that_stands_around_it() -> None:
    one = {"covered_lines": 1, "num_statements": 2, "covered_branches": 0, "num_branches": 4}
    all_ = {"covered_lines": 2000, "num_statements": 2000, "covered_branches": 0, "num_branches": 0}
    files = {
        "agent/gate.py": {"summary": one},
        "agent/x/a.py": {"summary": all_},
        "agent/b.py": {"summary": one},
    }
    lines = table(files).split("\n")[2:]
    assert lines == [
        "| `agent` | 4 | 50.0% | 8 | 0.0% |",
        "| `agent/x` | 2,000 | 100.0% | 0 |  |",
        "| **all** | 2,004 | 99.9% | 8 | 0.0% |",
    ]
    page = PAGE.read_text("utf-8")
    again = renewed(renewed(page, "first"), "second")
    assert "second" in again
    assert "first\n\n<!-- end" not in again
    begin, end = page.index("<!-- what the tests reach"), page.index("<!-- end of what the tests reach")
    assert again.startswith(page[:begin])
    assert again.endswith(page[end:])
