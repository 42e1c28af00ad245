"""Pairs rows with columns at the least total cost (Hungarian method, shortest augmenting paths).

Each row takes the cheapest way to a free column through the pairs made so far; potentials keep reduced costs
from becoming negative. Cubic, but a picture holds some dozen things.
"""

from __future__ import annotations

import numpy as np

from pipelines.vision.arrays import Floats, Ints


def assign(cost: Floats) -> tuple[Ints, Ints]:
    """Give the rows and columns of the cheapest pairing; the shorter side is paired completely."""
    rows, columns = cost.shape
    if rows > columns:
        paired_columns, paired_rows = assign(cost.T)
        return paired_rows, paired_columns
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    owner = np.full(columns, -1, np.intp)  # the row that each column is paired with
    for row in range(rows):
        _augment(cost, row, owner, row_price, column_price)
    taken = np.flatnonzero(owner >= 0)
    return owner[taken], taken


def _augment(cost: Floats, row: int, owner: Ints, row_price: Floats, column_price: Floats) -> None:
    """Pair *row*, re-pairing others along the cheapest path to a free column."""
    columns = len(owner)
    distance = np.full(columns, np.inf)
    before = np.full(columns, -1, np.intp)  # the column before each on its cheapest path
    done = np.zeros(columns, np.bool_)
    here, column, far = row, -1, 0.0
    while True:
        through = far + cost[here] - row_price[here] - column_price
        better = ~done & (through < distance)
        distance[better], before[better] = through[better], column
        column = int(np.argmin(np.where(done, np.inf, distance)))
        far = float(distance[column])
        if owner[column] < 0:
            break
        done[column] = True
        here = int(owner[column])
    gain = far - distance[done]
    row_price[owner[done]] += gain
    column_price[done] -= gain
    row_price[row] += far
    while column >= 0:
        previous = int(before[column])
        owner[column] = row if previous < 0 else owner[previous]
        column = previous
