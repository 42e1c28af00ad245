"""A reason for a line that no test reaches is for a line that is there; and what is not reached is found."""

from __future__ import annotations

import pytest

from tests.coverage.reasons import ROOT, Reason, reasons, stretches

REASONS = reasons()


@pytest.mark.parametrize("reason", REASONS, ids=lambda one: f"{one.file}: {one.text.strip()}")
def test_a_reason_is_for_exactly_one_line(reason: Reason) -> None:
    assert reason.line()
    assert len(reason.why) > 20


def test_no_line_has_two_reasons() -> None:
    places = [(one.file, one.line()) for one in REASONS]
    assert len(set(places)) == len(places)


def test_a_reason_for_a_line_that_is_gone_is_noticed() -> None:
    gone = Reason(file="agent/gate.py", text="what never stood there", why="x")
    with pytest.raises(ValueError, match="0 lines hold"):
        gone.line()


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
    assert [bool(one.why) for one in found] == [True, False, False]
