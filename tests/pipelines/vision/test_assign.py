"""The pairing is the cheapest one there is."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipelines.vision.arrays import Floats
from pipelines.vision.assign import assign

COSTS = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5),
    elements=st.integers(0, 20).map(float),
)


@given(COSTS)
def test_no_other_pairing_costs_less(cost: Floats) -> None:
    rows, columns = assign(cost)
    assert len(set(rows)) == len(set(columns)) == min(cost.shape)
    assert cost[rows, columns].sum() == cheapest(cost)


def test_a_hundred_by_a_hundred_is_paired_completely() -> None:
    cost = np.random.default_rng(1).random((100, 100))
    rows, columns = assign(cost)
    assert sorted(rows) == sorted(columns) == list(range(100))
    assert cost[rows, columns].sum() < np.trace(cost) / 10


def cheapest(cost: Floats) -> float:
    if cost.shape[0] > cost.shape[1]:
        cost = cost.T
    rows = np.arange(cost.shape[0])
    return min(float(cost[rows, list(one)].sum()) for one in permutations(range(cost.shape[1]), len(rows)))
