"""What a request costs is learnt from what requests took."""

from __future__ import annotations

import random

import pytest

from drivers.modbus.cost import CostModel
from drivers.modbus.line import rtu_cost
from drivers.modbus.plan import TCP, Cost

SIZES = (1, 4, 10, 40, 80)


def learnt(foreseen: Cost, true: Cost, *, jitter: float, sizes: tuple[int, ...] = SIZES) -> CostModel:
    chance, model = random.Random(1), CostModel(foreseen)
    for _ in range(200):
        size = chance.choice(sizes)
        model.add(size, true.request + true.register * size + chance.expovariate(1 / jitter))
    return model


@pytest.mark.parametrize("baud", [2400, 9600, 19_200, 115_200])
def test_both_parts_are_learnt(baud: int) -> None:
    true = rtu_cost(baud, "8E1")
    got = learnt(TCP, true, jitter=1.0).cost
    assert got.request == pytest.approx(true.request + 1.0, rel=0.1)
    assert got.register == pytest.approx(true.register, rel=0.1)


def test_the_part_per_register_stays_as_foreseen_when_all_requests_are_of_one_size() -> None:
    got = learnt(rtu_cost(9600, "8N1"), Cost(20.0, 5.0), jitter=0.5, sizes=(10,)).cost
    assert got.register == rtu_cost(9600, "8N1").register


def test_what_was_learnt_outlives_replies_of_one_size() -> None:
    true = rtu_cost(115_200, "8N1")
    model = learnt(rtu_cost(9600, "8N1"), true, jitter=0.01)
    assert model.cost.register == pytest.approx(true.register, rel=0.05)
    for _ in range(2000):
        model.add(100, true.request + 100 * true.register)
    assert model.cost.register == pytest.approx(true.register, rel=0.05)
    assert model.cost.request == pytest.approx(true.request, rel=0.05)


def test_noise_is_not_mistaken_for_a_slope() -> None:
    got = learnt(TCP, Cost(1.0, 0.001), jitter=3.0).cost
    assert got.register < 0.1
    assert got.request == pytest.approx(4.0, rel=0.4)


def test_a_few_replies_change_nothing() -> None:
    model = CostModel(TCP)
    for _ in range(29):
        model.add(10, 500.0)
    assert model.cost == TCP
    assert not model.has_drifted_from(TCP)


def test_a_drift_of_a_third_is_worth_another_thought() -> None:
    model = learnt(TCP, Cost(4.0, 0.001), jitter=0.01)
    assert not model.has_drifted_from(TCP)
    assert learnt(TCP, Cost(7.0, 0.001), jitter=0.01).has_drifted_from(TCP)
