"""Measures what a model costs on this computer, and how many pictures a second a budget pays for."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final

from agent.core.vision import Cost, Share
from pipelines.vision.boxes import Found
from pipelines.vision.clip import Clip
from pipelines.vision.detector import Detector
from pipelines.vision.models.pictures import Kept
from pipelines.vision.picture import Picture
from pipelines.vision.tracker import Tracker

_ROUNDS: Final = 15
_CAMERAS: Final = (1, 2, 4)
_FASTEST: Final = 10.0  # pictures a second; more tells a counter nothing new
_DECODED: Final = 150  # frames


def cost(detector: Detector, clip: str, budget: float) -> Cost:
    """Measure with the first picture of *clip* (grey if none); *budget* is a share of one core."""
    picture = _first(clip)
    tracker = Tracker()
    tensor = detector.prepare(picture)

    def analyse() -> Found:
        found = detector.find(picture)
        tracker.update(found, 1 / _FASTEST)
        return found

    detector.find(picture)  # the first run makes room
    inference = _milliseconds(lambda: detector.run(tensor))
    analysis = _milliseconds(analyse)
    decode = _decoding(clip) if clip else 0.0
    shares = tuple(Share(cameras=one, rate=_rate(budget / one, analysis, decode)) for one in _CAMERAS)
    return Cost(
        analysis=round(analysis, 2),
        inference=round(inference, 2),
        decode=round(decode, 1),
        budget=budget,
        shares=shares,
    )


def _rate(budget: float, analysis: float, decode: float) -> float:
    """Give pictures a second within *budget* of a core, for one camera whose stream takes *decode*."""
    left = budget * 1000 - decode
    return round(max(0.0, min(_FASTEST, left / analysis)), 1)


def _milliseconds(once: Callable[[], object]) -> float:
    """Give the CPU time of a call: the median, because others use this computer too."""
    spent = []
    for _ in range(_ROUNDS):
        begun = time.process_time()
        once()
        spent.append((time.process_time() - begun) * 1000)
    return median(spent)


def _decoding(clip: str) -> float:
    """Give the CPU time for a second of video."""
    first: float | None = None
    last = 0.0
    begun = time.process_time()
    for picture in islice(Clip(Path(clip)), _DECODED):
        first, last = picture.at if first is None else first, picture.at
    spent = time.process_time() - begun
    return spent * 1000 / (last - first) if first is not None and last > first else 0.0


def _first(clip: str) -> Picture:
    import numpy as np

    if clip and (picture := next(iter(Clip(Path(clip))), None)) is not None:
        return picture
    return Kept(np.full((480, 640, 3), 114, np.uint8), 0.0)
