"""A running gateway tells how configurations from a distance ended, to people and to whoever is far away."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.answers import Answers
from agent.trials import FOLDER, Known, Memory, Trial, Tried, tried
from agent.trials import Verdict as Ended
from agent.vitals import Physician
from tests.agent.small_site import Site
from tests.virtual import VirtualClock

FOURTH = Known(number=4, digest="d4", signer="admin@vaasa.example")
FIFTH = Known(number=5, digest="d5", signer="admin@vaasa.example")
WHY = "device main-meter did well before, and does not now"


def ended(bundle: Known, *, kept: bool) -> Ended:
    return Ended(number=bundle.number, signer=bundle.signer, kept=kept, why="" if kept else WHY, at=1.8e9)


def try_(folder: Path, bundle: Known, *, kept: bool) -> None:
    """Let *bundle* come and its trial end."""
    trial = Trial(bundle=bundle, patience=600.0, stage="watching")
    Memory(folder).begin(trial)
    Memory(folder).end(trial, ended(bundle, kept=kept))


@pytest.fixture
def site(tmp_path: Path, virtual: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a small site on which one bundle was kept, and the next was taken back."""
    try_(tmp_path, FOURTH, kept=True)
    try_(tmp_path, FIFTH, kept=False)
    return Site(tmp_path, virtual, monkeypatch)


def test_where_none_has_come_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert tried(tmp_path) is None


def test_the_number_in_force_and_the_last_trial_are_told_apart(tmp_path: Path) -> None:
    try_(tmp_path, FOURTH, kept=True)
    assert tried(tmp_path) == Tried(number=4, last=ended(FOURTH, kept=True))
    Memory(tmp_path).begin(Trial(bundle=FIFTH, patience=600.0, stage="watching"))
    assert tried(tmp_path) == Tried(number=4, on_trial=5, last=ended(FOURTH, kept=True))
    try_(tmp_path, FIFTH, kept=False)
    assert tried(tmp_path) == Tried(number=4, last=ended(FIFTH, kept=False))


def test_a_damaged_memory_is_told_in_words_and_ends_nothing(tmp_path: Path) -> None:
    try_(tmp_path, FOURTH, kept=True)
    (tmp_path / FOLDER / "number.json").write_text("{")
    found = tried(tmp_path)
    assert found is not None
    assert "number.json cannot be read" in found.trouble


async def test_status_and_metrics_of_a_daemon_tell_what_was_taken_back(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(10)
        answers = Answers(site.gateway, Physician(site.folder, folder=site.folder))
        told = answers.status()["bundle"]
        metrics = answers.metrics("openmetrics")
    assert (told["number"], told["tried"], told["kept"], told["why"]) == (4, 5, False, WHY)
    assert (told["signer"], told["at"]) == ("admin@vaasa.example", "2027-01-15T08:00:00Z")
    assert "citygate_bundle_number 4\n" in metrics
    assert "citygate_bundle_taken_back 1\n" in metrics


async def test_it_is_among_the_points_of_the_gateway_itself(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(10)
        vitals = Physician(site.folder, folder=site.folder).vitals(site.gateway)
        none = Physician(site.folder).vitals(site.gateway)
    assert (vitals.bundle, vitals.bundle_tried, vitals.bundle_taken_back) == (4, 5, True)
    assert (none.bundle, none.bundle_tried, none.bundle_taken_back) == (None, None, None)
