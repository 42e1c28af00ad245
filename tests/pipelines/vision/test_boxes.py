"""Boxes overlap as areas do, and a thing has one box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.scene import CLASSES
from pipelines.vision.boxes import GROUP, Found, overlap, strongest


def test_overlap_is_the_shared_area_over_both() -> None:
    boxes = np.array([[0.0, 0.0, 2.0, 2.0]])
    others = np.array([[1.0, 0.0, 3.0, 2.0], [0.0, 0.0, 2.0, 2.0], [5.0, 5.0, 6.0, 6.0]])
    assert overlap(boxes, others)[0] == pytest.approx([1 / 3, 1.0, 0.0])


def test_boxes_may_grow_by_row_before_they_are_compared() -> None:
    boxes = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    other = np.array([[1.5, 0.0, 2.5, 1.0]])
    assert overlap(boxes, other, np.array([0.0, 0.5]))[:, 0] == pytest.approx([0.0, 1 / 7])


def test_a_van_that_is_seen_as_car_and_as_lorry_is_one_and_its_driver_another() -> None:
    kinds = np.array([CLASSES.index(one) for one in ("car", "truck", "person")])
    boxes = np.array([[0.0, 0.0, 2.0, 1.0], [0.1, 0.0, 2.0, 1.0], [0.0, 0.0, 2.0, 1.0]])
    kept = strongest(Found(boxes, np.array([0.6, 0.7, 0.5]), kinds))
    assert [CLASSES[one] for one in kept.kinds] == ["truck", "person"]


@given(many=st.integers(0, 60), crowded=st.floats(0.05, 2.0), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_a_box_goes_only_if_a_stronger_one_that_stays_lies_over_it(
    many: int, crowded: float, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    start = chance.uniform(0, crowded, (many, 2))
    boxes = np.hstack([start, start + chance.uniform(0.2, 0.4, (many, 2))])
    found = Found(boxes, chance.permutation(many) / 100, chance.integers(0, len(CLASSES), many))
    stay: list[int] = []
    for row in np.argsort(-found.scores):
        alike = [one for one in stay if GROUP[found.kinds[one]] == GROUP[found.kinds[row]]]
        if not alike or overlap(boxes[[row]], boxes[alike]).max() <= 0.5:
            stay.append(int(row))
    kept = strongest(found)
    assert kept.scores.tolist() == found.scores[stay].tolist()
    assert kept.boxes.tolist() == boxes[stay].tolist()
