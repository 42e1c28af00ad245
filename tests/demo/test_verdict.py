"""The demo's judgement: it accepts the truth and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.demo import air
from agent.demo.books import Books
from agent.demo.judges import AIR, COUNTER, ENERGY, FAN, POWER, SUPPLY, Air, Electricity
from agent.demo.load import energy, mean_power
from agent.demo.verdict import Judged, judge, longest_run, missing

BEGIN = 1_795_291_200.0
SINCE = BEGIN - 100
ENERGY_BIRTH = {"k": "birth", "product": ENERGY, "points": {POWER: {"u": "kW"}, COUNTER: {"u": "kW.h"}}}
AIR_BIRTH = {"k": "birth", "product": AIR, "points": {SUPPLY: {"u": "Cel"}, FAN: {"u": "1"}}}
SERVED = [(BEGIN + number, energy(BEGIN + number, SINCE)) for number in range(60)]


def batch(number: int, columns: list[str], rows: list[list[Any]]) -> dict[str, Any]:
    return {
        "v": 1, "k": "batch", "e": 1, "s": number + 2, "w": 5, "c": columns, "r": rows,
        "t": datetime.fromtimestamp(BEGIN + 5 * number, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }  # fmt: skip


def electricity(number: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any figure
    start = BEGIN + 5 * number
    last, before = (round(energy(start + back, SINCE), 2) for back in (4, -1))
    figures = {"mean": round(mean_power(start, start + 5), 2), "last": last, "delta": round(last - before, 2)}
    figures |= changes
    rows = [
        [POWER, 5, figures["mean"], None, None, None],
        [COUNTER, 5, None, None, figures["last"], figures["delta"]],
    ]
    return batch(number, ["p", "n", "mean", "max", "last", "delta"], rows)


def moved_air(number: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any figure
    start = BEGIN + 5 * number
    figures = {
        "mean": air.mean_supply_temperature(start, start + 5),
        "share": air.share_of_running(start, start + 5),
    } | changes
    rows = [[SUPPLY, 5, figures["mean"], None], [FAN, 5, None, figures["share"]]]
    return batch(number, ["p", "n", "mean", "share"], rows)


def books(*batches: dict[str, Any], product: str = ENERGY) -> Books:
    kept = Books()
    kept.births = {ENERGY: ENERGY_BIRTH, AIR: AIR_BIRTH}
    kept.batches = [(product, one) for one in batches]
    return kept


def judged(*batches: dict[str, Any], product: str = ENERGY) -> list[Judged]:
    return judge(books(*batches, product=product), {ENERGY: Electricity(SERVED), AIR: Air()})


def test_windows_that_agree_with_the_meter_are_accepted() -> None:
    found = judged(*(electricity(number) for number in range(4)))
    assert [one.faults for one in found] == [()] * 4
    assert longest_run(found, ENERGY) == 4


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
    found = judged(electricity(0), electricity(1, **changes), electricity(2))
    assert said in "; ".join(found[1].faults)
    assert longest_run(found, ENERGY) == 1


def test_windows_that_agree_with_the_air_handler_are_accepted() -> None:
    found = judged(*(moved_air(number) for number in range(12)), product=AIR)
    assert [one.faults for one in found] == [()] * 12
    assert longest_run(found, AIR) == 12


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mean": 25.0}, "mean supply air 25.00"),
        ({"mean": None}, "mean supply air is missing"),
        ({"share": 0.3}, "the fan ran 0.30"),
        ({"share": None}, "share of running is missing"),
    ],
)
def test_a_wrong_figure_of_the_air_is_named(changes: dict[str, Any], said: str) -> None:
    [found] = judged(moved_air(0, **changes), product=AIR)
    assert said in "; ".join(found.faults)


def test_a_value_served_in_another_window_is_not_accepted() -> None:
    late = round(energy(BEGIN + 30, SINCE), 2)
    [found] = judged(electricity(0, last=late))
    assert "never served within the window" in found.faults[0]


def test_a_skipped_number_begins_a_new_run() -> None:
    found = judged(electricity(0), electricity(1), electricity(3), electricity(4))
    assert longest_run(found, ENERGY) == 2


def test_a_window_that_was_seen_in_part_is_no_agreement() -> None:
    partial = electricity(1) | {"x": {POWER: {"q": "partial"}}}
    found = judged(electricity(0), partial)
    assert found[1].faults == ("seen in part",)


def test_what_was_not_seen_is_said_of_each_product() -> None:
    said = missing(Books(), [], (ENERGY, AIR))
    assert [one for one in said if "birth" in one] == [
        'no birth of the product "energy" arrived',
        'no birth of the product "air" arrived',
    ]
    assert any("0 consecutive messages of air" in one for one in said)


def test_nothing_is_missing_after_birth_and_three_windows() -> None:
    kept = Books()
    kept.enter("citygate/1/a/b/c/b/energy", ENERGY_BIRTH, [])
    for number in range(3):
        kept.enter("citygate/1/a/b/c/d/energy", electricity(number), [])
    assert missing(kept, judge(kept, {ENERGY: Electricity(SERVED)}), (ENERGY,)) == []


def test_a_product_without_a_judge_is_not_judged_and_counts_for_no_other() -> None:
    kept = books(electricity(0))
    kept.batches += [("doors", moved_air(0)), (AIR, moved_air(0)), (ENERGY, electricity(1))]
    found = judge(kept, {ENERGY: Electricity(SERVED), AIR: Air()})
    assert [one.window.product for one in found] == [ENERGY, AIR, ENERGY]
    assert longest_run(found, ENERGY) == 2


def test_numbers_that_never_came_are_said() -> None:
    kept = Books()
    for number in (1, 3):
        kept.enter("t/energy", {"k": "other", "e": 1, "s": number}, [])
    assert "1 numbered messages never arrived and no gap declared them" in missing(kept, [], ())
