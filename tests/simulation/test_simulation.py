"""The whole gateway keeps its promises whatever happens to it, and the simulation would notice if not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.planted import PLANTED, seed_that_finds
from tests.simulation.run import run, year

_QUICK = (
    "a refused message counts as delivered",
    "a reply is taken whatever its transaction number",
    "the disk is not waited for",
)
"""Planted defects that the first seeds find."""


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_every_record_arrives_once_or_is_declared(seed: int, tmp_path: Path) -> None:
    world = run(seed, tmp_path)
    assert not world.faults, "\n".join((f"seed {seed}", *world.history, *world.faults))
    assert all(books.messages > 50 for books in world.books.values())


def test_the_same_seed_gives_the_same_history(tmp_path: Path) -> None:
    one, other = run(3, tmp_path / "a"), run(3, tmp_path / "b")
    assert one.history == other.history
    for name, books in one.books.items():
        same = zip(books.routes.items(), other.books[name].routes.items(), strict=True)
        assert all((a[0][1], a[1].bodies) == (b[0][1], b[1].bodies) for a, b in same)


@pytest.mark.parametrize("defect", _QUICK)
def test_a_planted_defect_is_found_soon(defect: str, tmp_path: Path) -> None:
    assert seed_that_finds(defect, tmp_path, within=5) is not None


@pytest.mark.parametrize("defect", PLANTED)
def test_each_planted_defect_still_has_its_place_in_the_product(defect: str) -> None:
    with PLANTED[defect]():
        pass


@pytest.mark.long
@pytest.mark.parametrize("defect", PLANTED)
def test_each_planted_defect_is_found_within_200_seeds(defect: str, tmp_path: Path) -> None:
    assert seed_that_finds(defect, tmp_path, within=200) is not None


@pytest.mark.long
def test_a_year_of_twenty_devices_loses_nothing(tmp_path: Path) -> None:
    world = year(1, tmp_path)
    assert not world.faults, "\n".join((*world.history[-50:], *world.faults[:20]))
    assert len(world.sizes) > 1000
