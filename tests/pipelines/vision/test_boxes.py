"""Boxes overlap as areas do, and a thing has one box."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.scene import CLASSES
from pipelines.vision.boxes import Found, overlap, strongest


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
