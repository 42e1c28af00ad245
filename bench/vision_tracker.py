"""CPU of following ten people for one picture, against the inference for it; and of a paced inference.

The tracker gets made walkers, with trembling boxes and gaps. A run five times a second may cost little more
than one in a tight loop: a library that spins between two pictures costs three times as much.
"""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from bench._film import MODEL, film, model
from bench._report import Figure, show
from pipelines.vision.boxes import Found
from pipelines.vision.clip import Clip
from pipelines.vision.models.build import opened
from pipelines.vision.models.bundle import read
from pipelines.vision.tracker import Tracker
from tests.pipelines.vision.walkers import World, crowd, pictures

_PEOPLE: Final = 10
_SECONDS: Final = 180
_STAY: Final = 12  # seconds that somebody is in the picture, boxes that are hidden or missed not counted
_RUNS: Final = 40


def main() -> None:
    """Measure and tell."""
    bundle = read(model() / f"{MODEL}.citymodel")
    detector = opened(bundle.model, bundle.manifest.about.family)
    tensor = detector.prepare(next(iter(Clip(film("480p")))))
    for _ in range(3):
        detector.run(tensor)
    begun = time.process_time()
    for _ in range(_RUNS):
        detector.run(tensor)
    tight = (time.process_time() - begun) / _RUNS * 1000
    begun = time.process_time()
    for _ in range(_RUNS):
        detector.run(tensor)
        time.sleep(0.2)
    paced = (time.process_time() - begun) / _RUNS * 1000
    follow = _following()
    show([
        Figure(
            name="vision_tracker.ten_people", what="following ten people", value=follow, unit="ms a picture",
            against="inference", floor=tight, aim=0.1 * tight,
        ),
        Figure(
            name="vision_tracker.paced", what="inference five times a second", value=paced, unit="ms of CPU",
            against="the same in a tight loop", floor=tight, aim=1.5 * tight,
        ),
    ])  # fmt: skip


def _following() -> float:
    """Give the milliseconds for a picture with ten people in it."""
    chance = np.random.default_rng(0)
    walkers = crowd(chance, _PEOPLE * _SECONDS // _STAY, _SECONDS)
    shown = [found for _, found in pictures(walkers, World(5, tremble=0.04, missed=0.1), chance)]
    busy = [one for one in shown if abs(len(one.scores) - _PEOPLE) <= 2]
    _follow(busy)  # the first time loads and compiles
    begun = time.process_time()
    _follow(busy)
    return (time.process_time() - begun) / len(busy) * 1000


def _follow(shown: list[Found]) -> None:
    tracker = Tracker()
    for found in shown:
        tracker.update(found, 0.2)


if __name__ == "__main__":
    main()
