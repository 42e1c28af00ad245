"""Finds rows of a route by their numbers: there is no index for that, and none is needed."""

from __future__ import annotations

import sqlite3

Pair = tuple[int, int]


def numbered(db: sqlite3.Connection, route: int, span: Pair, number: Pair, count: int) -> list[int]:
    """Give up to *count* ids of *route* that lie in *span*, from *number* (epoch, seq) on."""
    query = "SELECT id FROM row WHERE route=? AND id>=? ORDER BY id LIMIT ?"
    return [one for (one,) in db.execute(query, (route, _first(db, route, span, number), count))]


def _first(db: sqlite3.Connection, route: int, span: Pair, number: Pair) -> int:
    """Find the first id from *number* on by halving: the numbers of a route grow with its ids."""
    query = "SELECT id, epoch, seq FROM row WHERE route=? AND id>=? ORDER BY id LIMIT 1"
    low, high = span
    while low < high:
        middle = (low + high) // 2
        found = db.execute(query, (route, middle)).fetchone()
        if found is None or found[1:] >= number:
            high = middle
        else:
            low = found[0] + 1
    return low
