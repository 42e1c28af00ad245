"""Rows are found by their numbers, though there is no index of them."""

from __future__ import annotations

import sqlite3

import pytest

from agent.outbox.numbered import numbered

Rows = list[tuple[int, int, int, int]]


def table(rows: Rows) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE row(id INTEGER PRIMARY KEY, route INTEGER, epoch INTEGER, seq INTEGER)")
    db.executemany("INSERT INTO row VALUES(?,?,?,?)", rows)
    return db


ROWS: Rows = [
    (number, route, epoch, seq)
    for number, route, epoch, seq in (
        (3, 1, 1, 1), (4, 2, 1, 1), (5, 1, 1, 2), (6, 1, 1, 4), (9, 2, 1, 2), (10, 2, 2, 1), (11, 1, 2, 1),
        (12, 1, 2, 2), (13, 2, 2, 2), (20, 1, 3, 7),
    )
]  # fmt: skip


@pytest.mark.parametrize("route", [1, 2, 3])
@pytest.mark.parametrize("low", [0, 3, 6, 12, 21])
def test_all_rows_from_a_number_on_are_found(route: int, low: int) -> None:
    db = table(ROWS)
    for epoch in range(5):
        for seq in range(9):
            right = [one for one, of, *told in ROWS if of == route and one >= low and told >= [epoch, seq]]
            assert numbered(db, route, (low, 21), (epoch, seq), 99) == right
            assert numbered(db, route, (low, 21), (epoch, seq), 2) == right[:2]
    db.close()


def test_few_rows_are_looked_at_of_many() -> None:
    db = table([(one, 1, 1, one) for one in range(1, 5000)])
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    assert numbered(db, 1, (0, 5000), (1, 4321), 2) == [4321, 4322]
    assert len(seen) < 16
    db.close()
