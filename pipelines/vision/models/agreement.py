"""Compares a model with its float reference on the same pictures; needs nobody to draw boxes.

Making a model smaller can ruin it without any error. What one of the two trusts, the other must at least
suspect: so boxes close to a threshold do not decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from agent.core.vision import Agreement
from pipelines.vision.boxes import Found, overlap
from pipelines.vision.detector import Detector
from pipelines.vision.picture import Picture
from pipelines.vision.tracker import STRONG, WEAK

LEAST: Final = 0.90  # recall and precision
LEAST_BOXES: Final = 40
_SAME: Final = 0.5  # overlap


def agreement(reference: Detector, candidate: Detector, pictures: Sequence[Picture]) -> Agreement:
    """Tell how far *candidate* finds what *reference* finds."""
    trusted = kept = claimed = right = 0
    shifts: list[float] = []
    for picture in pictures:
        one, other = reference.find(picture, WEAK), candidate.find(picture, WEAK)
        strong, matches = _matches(one, other)
        trusted, kept, shifts = trusted + strong, kept + len(matches), shifts + matches
        strong, matches = _matches(other, one)
        claimed, right = claimed + strong, right + len(matches)
    recall, precision = kept / max(trusted, 1), right / max(claimed, 1)
    why = _why(trusted, recall, precision)
    return Agreement(
        recall=round(recall, 4),
        precision=round(precision, 4),
        shift=round(float(np.mean(shifts)), 4) if shifts else 0.0,
        boxes=trusted,
        pictures=len(pictures),
        good=not why,
        why=why,
    )


def _matches(one: Found, other: Found) -> tuple[int, list[float]]:
    """Give how many boxes *one* trusts, and by how much the scores of those *other* has differ from them."""
    strong = np.flatnonzero(one.scores >= STRONG)
    if not len(strong) or not len(other.scores):
        return len(strong), []
    near = overlap(one.boxes[strong], other.boxes)
    near[one.kinds[strong][:, None] != other.kinds[None]] = 0.0
    best = near.argmax(axis=1)
    hit = near[np.arange(len(strong)), best] >= _SAME
    return len(strong), list(other.scores[best[hit]] - one.scores[strong[hit]])


def _why(trusted: int, recall: float, precision: float) -> str:
    """Say why a model must not be used; empty if it may."""
    if trusted < LEAST_BOXES:
        return (
            f"the pictures show only {trusted} things that the reference is sure of, and {LEAST_BOXES} are"
            " needed: take a clip in which more happens"
        )
    if recall < LEAST:
        return f"it lost detections: it finds {recall:.0%} of its reference's, and {LEAST:.0%} are needed"
    if precision < LEAST:
        return (
            f"it sees what is not there: its reference confirms {precision:.0%}, and {LEAST:.0%} are needed"
        )
    return ""
