"""A zone knows who is in it, and counts who enters and leaves over its outline."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.scene import Zone as Drawn
from pipelines.vision.polygon import Polygon
from pipelines.vision.tracker import Tracker
from pipelines.vision.zone import Zone
from tests.pipelines.vision.walkers import ASPECT, World, pictures, straight

SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
NOTCHED = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.5, 0.5), (0.2, 0.8))


def test_depth_is_the_distance_to_the_outline_negative_outside() -> None:
    outline = Polygon(SQUARE, 2.0)
    spots = np.array([[1.0, 0.5], [0.6, 0.5], [0.4, 0.5], [1.0, 1.0]])
    assert outline.depth(spots) == pytest.approx([0.25, 0.1, -0.1, -0.25])


def test_a_notch_is_outside() -> None:
    assert list(Polygon(NOTCHED, 1.0).depth(np.array([[0.5, 0.7], [0.3, 0.6]])) > 0) == [False, True]


@given(x=st.floats(-1, 2), y=st.floats(-1, 2))
def test_the_order_of_the_corners_does_not_matter(x: float, y: float) -> None:
    spot = np.array([[x, y]])
    assert Polygon(NOTCHED, 1.0).depth(spot) == pytest.approx(Polygon(NOTCHED[::-1], 1.0).depth(spot))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ((0.05, 0.5), (1.28, 0.5), (1, 1)),
        ((0.05, 0.5), (0.66, 0.5), (1, 0)),
        ((0.66, 0.5), (1.28, 0.5), (0, 1)),
        ((0.05, 0.95), (1.28, 0.95), (0, 0)),
    ],
    ids=["through", "into", "out of", "past"],
)
def test_entries_and_exits(
    start: tuple[float, float], end: tuple[float, float], expected: tuple[int, int]
) -> None:
    tracker, zone = Tracker(), Zone(Drawn(corners=SQUARE), ASPECT)
    entered = left = 0
    for _, seen in pictures([straight(0, start, end)], World(), np.random.default_rng(0)):
        zone.follow(tracker.update(seen, 0.2))
        passed = zone.feed(tracker.boxes, tracker.found, tracker.sure)
        entered, left = entered + int(passed.entered.sum()), left + int(passed.left.sum())
    assert (entered, left) == expected
