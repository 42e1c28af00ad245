"""A cell holds what was counted, how long the picture was looked at, and no number where nobody looked."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.point import Kind
from agent.core.scene import Bay, Class, Line, Scene, Zone
from pipelines.vision.tally import Cell, Tally
from pipelines.vision.tracker import LOST
from tests.pipelines.vision.walkers import ASPECT, World, box_at, found, pictures, straight

SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
SCENE = Scene(
    lines={"gate": Line(start=(0.5, 0.95), end=(0.5, 0.05), classes=("person", "car"))},
    zones={"square": Zone(corners=SQUARE)},
    bays={"bay-1": Bay(corners=SQUARE)},
)


def test_both_sides_of_the_socket_number_the_counters_alike() -> None:
    assert [f"{one.place}.{one.name}" for one in SCENE.counters()] == [
        "gate.person_to_left", "gate.person_to_right", "gate.car_to_left", "gate.car_to_right",
        "square.person_entries", "square.person_exits", "square.person_mean", "square.person_max",
        "bay-1.occupied",
    ]  # fmt: skip
    assert {one.kind for one in SCENE.counters()} == {Kind.COUNT, Kind.GAUGE}


def test_a_cell_holds_what_happened_in_it_and_the_next_one_begins_at_nothing() -> None:
    tally = Tally(SCENE, ASPECT, 0.0)
    for at, seen in pictures([straight(0, (0.05, 0.5), (1.28, 0.5))], World(), np.random.default_rng(0)):
        tally.take(seen, at)
    first = numbers(tally.close(12.0))
    assert (first["gate.person_to_right"], first["gate.person_to_left"]) == (1, 0)
    assert (first["square.person_entries"], first["square.person_exits"], first["square.person_max"]) == (
        1,
        1,
        1,
    )
    assert 0.3 < (first["square.person_mean"] or 0) < 0.7
    tally.take(found(), 12.2)
    second = numbers(tally.close(13.0))
    assert second["gate.person_to_right"] == second["square.person_max"] == second["square.person_mean"] == 0


def test_who_crosses_just_when_a_cell_is_closed_is_counted_once() -> None:
    walker = straight(0, (0.05, 0.5), (1.28, 0.5))
    for close in np.arange(4.0, 8.0, 0.2):
        tally, cells, closed = Tally(SCENE, ASPECT, 0.0), [], False
        for at, seen in pictures([walker], World(), np.random.default_rng(0)):
            if at >= close and not closed:
                cells.append(numbers(tally.close(close)))
                closed = True
            tally.take(seen, at)
        cells.append(numbers(tally.close(20.0)))
        assert sum(one["gate.person_to_right"] or 0 for one in cells) == 1


def test_where_nobody_looked_there_is_no_number_not_even_zero() -> None:
    cell = Tally(SCENE, ASPECT, 0.0).close(300.0)
    assert cell.observed == cell.pictures == 0
    assert set(cell.numbers) == {None}


def test_a_picture_holds_no_longer_than_a_track_would() -> None:
    tally = Tally(SCENE, ASPECT, 0.0)
    tally.take(found(), 10.0)
    tally.take(found(), 10.5)
    tally.take(found(), 60.0)
    assert tally.close(60.0).observed == pytest.approx(0.5 + LOST)
    assert tally.close(61.0).observed == pytest.approx(1.0)


def test_a_kind_that_a_line_does_not_count_is_not_counted() -> None:
    tally = Tally(SCENE, ASPECT, 0.0)
    for step in range(30):
        x = 0.1 + step * 0.04
        tally.take(found(box_at(x, 0.5), kind="bus"), step * 0.2)
    told = numbers(tally.close(10.0))
    assert told["gate.person_to_right"] == told["gate.car_to_right"] == 0


def test_a_bay_is_taken_by_who_stays_and_not_by_who_drives_past_or_walks_there() -> None:
    assert occupied("car", seconds=60) == pytest.approx(52 / 60, abs=0.05)
    assert occupied("person", seconds=60) == 0
    assert occupied("car", seconds=4) == 0


def occupied(kind: Class, seconds: int) -> float | None:
    """Let something stand in the bay for *seconds* of a minute that begins with an empty bay."""
    tally, step = Tally(SCENE, ASPECT, 0.0), 0.5
    for number in range(40):
        tally.take(found(), number * step)
    tally.close(20.0)
    for number in range(40, 160):
        here = (number - 40) * step < seconds
        tally.take(found(box_at(0.66, 0.55), kind=kind) if here else found(), number * step)
    return numbers(tally.close(80.0))["bay-1.occupied"]


def numbers(cell: Cell) -> dict[str, float | None]:
    return {
        f"{one.place}.{one.name}": number for one, number in zip(SCENE.counters(), cell.numbers, strict=True)
    }
