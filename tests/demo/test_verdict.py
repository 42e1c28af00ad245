"""The demo's judgement: it accepts the truth and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.demo.books import Books
from agent.demo.load import energy, mean_power
from agent.demo.verdict import ENERGY, POWER, PRODUCT, judge, longest_run, missing

BEGIN = 1_795_291_200.0
SINCE = BEGIN - 100
BIRTH = {"k": "birth", "product": PRODUCT, "points": {POWER: {"u": "kW"}, ENERGY: {"u": "kW.h"}}}
COLUMNS = ["p", "n", "mean", "max", "last", "delta"]
SERVED = [(BEGIN + number, energy(BEGIN + number, SINCE)) for number in range(60)]


def batch(number: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any figure
    start = BEGIN + 5 * number
    last, before = (round(energy(start + back, SINCE), 2) for back in (4, -1))
    figures = {"mean": round(mean_power(start, start + 5), 2), "last": last, "delta": round(last - before, 2)}
    figures |= changes
    return {
        "v": 1, "k": "batch", "e": 1, "s": number + 2, "w": 5, "c": COLUMNS,
        "t": datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "r": [
            [POWER, 5, figures["mean"], None, None, None],
            [ENERGY, 5, None, None, figures["last"], figures["delta"]],
        ],
    }  # fmt: skip


def test_windows_that_agree_with_the_meter_are_accepted() -> None:
    judged = judge([batch(number) for number in range(4)], BIRTH, SERVED)
    assert [one.faults for one in judged] == [()] * 4
    assert longest_run(judged) == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mean": 300.0}, "polling allows"),
        ({"mean": None}, "mean power is missing"),
        ({"last": 47_000.0}, "was never served"),
        ({"last": None}, "last value is missing"),
        ({"delta": 0.01}, "yet the counter went"),
    ],
)
def test_a_wrong_figure_is_named(changes: dict[str, Any], said: str) -> None:
    judged = judge([batch(0), batch(1, **changes), batch(2)], BIRTH, SERVED)
    assert said in "; ".join(judged[1].faults)
    assert longest_run(judged) == 1


def test_a_value_served_in_another_window_is_not_accepted() -> None:
    late = round(energy(BEGIN + 30, SINCE), 2)
    [judged] = judge([batch(0, last=late)], BIRTH, SERVED)
    assert "never served within the window" in judged.faults[0]


def test_a_skipped_number_begins_a_new_run() -> None:
    judged = judge([batch(0), batch(1), batch(3), batch(4)], BIRTH, SERVED)
    assert longest_run(judged) == 2


def test_what_was_not_seen_is_said() -> None:
    said = missing(Books(), [])
    assert any("birth" in one for one in said)
    assert any("0 consecutive" in one for one in said)


def test_nothing_is_missing_after_birth_and_three_windows() -> None:
    books = Books()
    books.enter("citygate/1/a/b/c/b/energy", BIRTH, [])
    for number in range(3):
        books.enter("citygate/1/a/b/c/d/energy", batch(number), [])
    assert missing(books, judge(books.batches, BIRTH, SERVED)) == []
