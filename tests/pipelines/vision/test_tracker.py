"""Tracks go on through gaps, uneven steps and meetings, and end when nothing is found any more."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.scene import CLASSES
from pipelines.vision.boxes import Found
from pipelines.vision.tracker import LONGEST_STEP, LOST, Tracker
from tests.pipelines.vision.walkers import box_at, found

CAR, VAN = CLASSES.index("car"), CLASSES.index("truck")


def test_two_who_meet_go_on_as_the_two_they_were() -> None:
    tracker, rows = Tracker(), np.arange(2)
    for picture in range(40):
        ahead = picture * 0.02
        seen = found() if picture == 20 else found(box_at(0.1 + ahead, 0.5), box_at(0.9 - ahead, 0.55, 0.17))
        moved = tracker.update(seen, 1 / 7)
        if picture:
            assert list(moved.stayed) == [0, 1]
            assert moved.began == 0
    assert list(tracker.boxes[rows, 0] > 0.5) == [True, False]


def test_rows_move_up_when_others_end() -> None:
    tracker = Tracker()
    for _ in range(5):
        tracker.update(found(box_at(0.2, 0.5), box_at(0.8, 0.5)), 0.2)
    moved = tracker.update(found(box_at(0.8, 0.5)), LOST / 2)
    assert list(moved.stayed) == [0, 1]
    for _ in range(5):
        moved = tracker.update(found(box_at(0.8, 0.5)), LOST / 2)
        if len(moved.stayed) == 1:
            break
    assert list(moved.stayed) == [1]
    assert tracker.boxes[:, 0] == pytest.approx([0.77], abs=0.01)


def test_a_track_counts_from_its_third_sight_on() -> None:
    tracker, sure = Tracker(), []
    for _ in range(4):
        tracker.update(found(box_at(0.5, 0.5)), 0.2)
        sure.append(bool(tracker.sure[0]))
    assert sure == [False, False, True, True]


def test_what_is_seen_once_is_forgotten() -> None:
    tracker = Tracker()
    tracker.update(found(box_at(0.5, 0.5)), 0.2)
    tracker.update(found(), 0.2)
    tracker.update(found(), 0.2)
    assert not len(tracker.sure)


def test_a_weak_box_prolongs_a_track_and_begins_none() -> None:
    tracker = Tracker()
    tracker.update(found(box_at(0.5, 0.5), score=0.3), 0.2)
    assert not len(tracker.sure)
    for _ in range(3):
        tracker.update(found(box_at(0.5, 0.5)), 0.2)
    tracker.update(found(box_at(0.5, 0.5), score=0.3), 0.2)
    assert list(tracker.found) == [True]


def test_a_fast_walker_is_one_track_at_two_pictures_a_second() -> None:
    tracker, began = Tracker(), 0
    for picture in range(10):
        began += tracker.update(found(box_at(0.1 + picture * 0.075, 0.5)), 0.5).began
    assert began == 1


def test_a_person_never_becomes_a_car() -> None:
    tracker = Tracker()
    for _ in range(3):
        tracker.update(found(box_at(0.5, 0.5), kind="person"), 0.2)
    for _ in range(3):
        tracker.update(found(box_at(0.5, 0.5), kind="car"), 0.2)
    assert sorted(CLASSES[one] for one in tracker.kinds) == ["car", "person"]


def test_a_van_is_what_it_was_taken_for_most_surely() -> None:
    tracker = Tracker()
    for score, kind in ((0.9, VAN), (0.5, CAR), (0.5, CAR), (0.9, VAN)):
        tracker.update(found(box_at(0.5, 0.5), score=score)._replace(kinds=np.array([kind])), 0.2)
    assert [CLASSES[one] for one in tracker.kinds] == ["truck"]


def test_after_a_long_pause_nobody_is_who_he_was() -> None:
    tracker = Tracker()
    for _ in range(4):
        tracker.update(found(box_at(0.5, 0.5)), 0.2)
    moved = tracker.update(found(box_at(0.5, 0.5)), LONGEST_STEP + 1)
    assert not len(moved.stayed)
    assert moved.began == 1


def test_a_still_box_that_is_no_longer_found_ends() -> None:
    tracker = Tracker()
    for _ in range(50):
        tracker.update(found(box_at(0.5, 0.5)), 0.2)
    for _ in range(int(LOST / 0.2) + 2):
        tracker.update(found(), 0.2)
    assert not len(tracker.sure)


def test_nothing_grows_with_time() -> None:
    tracker, chance = Tracker(), np.random.default_rng(3)
    for _ in range(500):
        boxes = np.array([box_at(*one) for one in chance.uniform(0.2, 0.8, (4, 2))])
        tracker.update(Found(boxes, np.full(4, 0.9), np.zeros(4, np.intp)), 0.2)
    assert len(tracker.boxes) < 60
