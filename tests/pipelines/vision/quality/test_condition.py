"""A picture that is covered, dark, frozen or turned away is told within a minute, and a good one never is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from agent.core.sight import Sight
from pipelines.vision.arrays import Pixels
from pipelines.vision.quality.condition import Condition

RATE = 1.0
Change = Callable[[Pixels, np.random.Generator], Pixels]


def scene(seed: int = 1) -> Pixels:
    """Paint walls and windows: edges, as a street has."""
    chance = np.random.default_rng(seed)
    picture = np.full((240, 320), 90, np.uint8)
    for _ in range(60):
        x, y = int(chance.integers(0, 280)), int(chance.integers(0, 200))
        picture[y : y + chance.integers(10, 40), x : x + chance.integers(10, 40)] = chance.integers(40, 200)
    return picture


def noisy(picture: Pixels, chance: np.random.Generator, much: float = 2.0) -> Pixels:
    return np.clip(picture + chance.normal(0, much, picture.shape), 0, 255).astype(np.uint8)


def first(change: Change, seconds: float = 60.0, *, before: float = 60.0) -> dict[Sight, float]:
    """Give when each sight was first told after a picture had changed."""
    condition, chance, picture = Condition(), np.random.default_rng(0), scene()
    told: dict[Sight, float] = {}
    for beat in range(int((before + seconds) * RATE)):
        at = beat / RATE
        shown = noisy(picture, chance) if at < before else change(picture, chance)
        told.setdefault(condition.feed(shown, at), at - before)
    return told


@pytest.mark.parametrize(
    ("change", "sight"),
    [
        (lambda picture, chance: noisy(np.full_like(picture, 120), chance, 0.5), Sight.COVERED),
        (lambda picture, chance: noisy(np.full_like(picture, 16), chance, 0.5), Sight.COVERED),
        (lambda picture, chance: noisy((picture * 0.1 + 10).astype(np.uint8), chance), Sight.DARK),
        (lambda picture, _: picture, Sight.FROZEN),
        (lambda picture, chance: noisy(np.roll(picture, 30, 1), chance), Sight.MOVED),
        (lambda _, chance: noisy(scene(2), chance), Sight.MOVED),
    ],
)
def test_a_lasting_fault_is_told_within_a_minute(change: Change, sight: Sight) -> None:
    told = first(change)
    assert set(told) == {Sight.OK, sight}
    assert 0 < told[sight] < 45


@pytest.mark.parametrize(
    "change",
    [
        noisy,
        lambda picture, chance: noisy((picture * 0.5).astype(np.uint8), chance),  # a cloud
        lambda picture, chance: noisy(np.minimum(picture * 1.4, 255).astype(np.uint8), chance),
        lambda picture, chance: noisy(np.roll(picture, 3, 1), chance),  # wind at the mast
    ],
)
def test_light_and_wind_are_no_fault(change: Change) -> None:
    assert set(first(change, 180.0)) == {Sight.OK}


def test_a_view_that_comes_back_is_good_again() -> None:
    condition, chance = Condition(), np.random.default_rng(0)
    told = []
    for beat in range(int(180 * RATE)):
        at = beat / RATE
        turned = 60 <= at < 120
        told.append(condition.feed(noisy(np.roll(scene(), 30 * turned, 1), chance), at))
    assert Sight.MOVED in told
    assert told[-1] is Sight.OK
