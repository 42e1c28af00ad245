"""The noise follows its exact law, whatever its scale, and needs nothing but fair draws."""

from __future__ import annotations

import json
import math
import os
import random
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import pytest

from agent.privacy.laplace import clamped_bias, deviation, discrete_laplace, probability, reach
from tests.peers.packages import package

SCALES = [Fraction(1), Fraction(1, 3), Fraction(10, 3), Fraction(4)]


def chi_square(drawn: Counter[int], scale: Fraction) -> tuple[float, int]:
    """Compare with the exact law; give the statistic and its degrees of freedom."""
    draws = drawn.total()
    edge = max(x for x in range(300) if draws * probability(x, scale) >= 20 or x == 0)
    inner = {x: draws * probability(x, scale) for x in range(-edge, edge + 1)}
    found = sum((drawn[x] - one) ** 2 / one for x, one in inner.items())
    rest = draws - sum(inner.values())
    found += (draws - sum(drawn[x] for x in inner) - rest) ** 2 / rest
    return found, len(inner)


def limit(freedom: int) -> float:
    """Give what is exceeded about once in a million runs."""
    return freedom + 5 * math.sqrt(2 * freedom) + 12


def sample(scale: Fraction, draws: int, below: Callable[[int], int]) -> Counter[int]:
    return Counter(discrete_laplace(scale, below) for _ in range(draws))


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_draws_follow_the_exact_law(scale: Fraction) -> None:
    found, freedom = chi_square(sample(scale, 12_000, random.Random(11).randrange), scale)
    assert found < limit(freedom)


@pytest.mark.long
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_very_many_draws_of_the_systems_randomness_follow_the_exact_law(scale: Fraction) -> None:
    drawn = sample(scale, 200_000, secrets.randbelow)
    found, freedom = chi_square(drawn, scale)
    assert found < limit(freedom)
    variance = sum(x * x * n for x, n in drawn.items()) / drawn.total()
    assert variance == pytest.approx(deviation(scale) ** 2, rel=0.03)


def test_a_law_that_is_off_by_a_little_would_be_noticed() -> None:
    drawn = sample(Fraction(10, 9), 12_000, random.Random(11).randrange)
    found, freedom = chi_square(drawn, Fraction(1))
    assert found > limit(freedom)


def test_zero_is_not_counted_twice() -> None:
    drawn = sample(Fraction(1), 12_000, random.Random(5).randrange)
    assert drawn[0] / drawn.total() == pytest.approx(probability(0, Fraction(1)), abs=0.02)


def test_whole_numbers_of_any_size_come_of_small_draws_only() -> None:
    asked: list[int] = []
    rng = random.Random(1)

    def below(most: int) -> int:
        asked.append(most)
        return rng.randrange(most)

    drawn = [discrete_laplace(Fraction(1000, 7), below) for _ in range(200)]
    assert all(isinstance(one, int) for one in (*drawn, *asked))
    assert max(map(abs, drawn)) > 100


@pytest.mark.parametrize("scale", [*SCALES, Fraction(1, 4)], ids=str)
def test_what_is_said_of_the_noise_is_what_the_law_says(scale: Fraction) -> None:
    law = {x: probability(x, scale) for x in range(-400, 401)}
    assert sum(law.values()) == pytest.approx(1)
    assert deviation(scale) == pytest.approx(math.sqrt(sum(x * x * p for x, p in law.items())))
    assert clamped_bias(scale) == pytest.approx(sum(max(0, x) * p for x, p in law.items()))
    within = sum(p for x, p in law.items() if abs(x) <= reach(scale))
    assert within >= 0.95
    assert within - law[reach(scale)] - law[-reach(scale)] < 0.95 or reach(scale) == 0


@pytest.mark.parametrize("scale", [Fraction(1), Fraction(10, 3)], ids=str)
def test_another_implementation_draws_from_the_same_law(scale: Fraction) -> None:
    folder = package("opendp==0.16.0")
    program = (
        "import json, opendp.prelude as dp\n"
        "dp.enable_features('contrib')\n"
        "space = dp.atom_domain(T='i32'), dp.absolute_distance(T='i32')\n"
        f"noise = dp.m.make_laplace(*space, scale={float(scale)!r})\n"
        "print(json.dumps([noise(0) for _ in range(6000)]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    said = subprocess.run(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=True, timeout=120
    )
    theirs = Counter(json.loads(said.stdout))
    found, freedom = chi_square(theirs, scale)
    assert found < limit(freedom)
    ours = sample(scale, 6000, secrets.randbelow)
    assert abs(sum(ours.elements()) - sum(theirs.elements())) < 6 * deviation(scale) * math.sqrt(2 * 6000)
