"""A model that sees nothing of what crosses a line is called blind; one that sees most of it is not."""

from __future__ import annotations

import numpy as np
from msgspec import convert

from agent.core.scene import CLASSES, Scene
from pipelines.vision.boxes import Found
from pipelines.vision.quality.blindness import Blindness

SCENE = convert({"lines": {"gate": {"from": [0.5, 0.95], "to": [0.5, 0.05]}}}, Scene)
NOBODY = Found(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.intp))


def passages(*seen: bool, x: float = 0.0, aside: float = 0.0, once: bool = False) -> bool:
    """Let something pass over the line once for each word, and give whether the model is blind at the end.

    What is found of it may lie *aside*, or be found in one picture only.
    """
    blindness, at = Blindness(SCENE, 4 / 3), 0.0
    for one in seen:
        for step in range(8):
            box = np.array([[0.4 + x + 0.02 * step, 0.4, 0.5 + x + 0.02 * step, 0.6]])
            found = (box - (aside, 0, aside, 0)) * (4 / 3, 1, 4 / 3, 1)
            car = Found(found, np.array([0.6]), np.array([CLASSES.index("car")]))
            blindness.feed(box, car if one and (not once or step == 4) else NOBODY, at)
            at += 0.2
        at += 2.0
    return blindness.is_blind(at)


def test_a_model_that_overlooks_what_passes_is_blind() -> None:
    assert passages(False, False, False)


def test_a_model_that_sees_most_of_it_is_not() -> None:
    assert not passages(True, True, False, True, False, True)


def test_a_model_that_sees_things_only_beside_the_line_is_blind_there() -> None:
    """From high above a car is recognised at the picture's edge, if at all, and not where it is counted."""
    assert passages(True, True, True, aside=0.25)


def test_a_faint_box_in_one_picture_of_each_passage_counts_nobody() -> None:
    assert passages(True, True, True, once=True)


def test_once_or_twice_is_not_enough() -> None:
    assert not passages(False, False)


def test_what_moves_elsewhere_does_not_matter() -> None:
    assert not passages(*[False] * 5, x=-0.4)


def test_what_was_overlooked_long_ago_is_forgotten() -> None:
    blindness = Blindness(SCENE, 4 / 3)
    for number in range(30):
        blindness.feed(np.array([[0.45, 0.4, 0.55, 0.6]]), NOBODY, number // 6 * 3 + number % 6 * 0.2)
    assert blindness.is_blind(60.0)
    assert not blindness.is_blind(700.0)


def test_who_walks_through_a_zone_and_is_overlooked_there_makes_it_blind_too() -> None:
    square = {"corners": [[0.3, 0.3], [0.7, 0.3], [0.7, 0.9], [0.3, 0.9]]}
    blindness = Blindness(convert({"zones": {"square": square}}, Scene), 4 / 3)
    for number in range(24):
        inside, outside = [0.45, 0.4, 0.55, 0.6], [0.8, 0.4, 0.9, 0.6]
        blindness.feed(np.array([inside, outside]), NOBODY, number // 6 * 3 + number % 6 * 0.2)
    assert blindness.is_blind(20.0)
    elsewhere = Blindness(convert({"zones": {"square": square}}, Scene), 4 / 3)
    for number in range(24):
        elsewhere.feed(np.array([[0.8, 0.4, 0.9, 0.6]]), NOBODY, number // 6 * 3 + number % 6 * 0.2)
    assert not elsewhere.is_blind(20.0)


def test_a_flicker_is_no_passage() -> None:
    blindness = Blindness(SCENE, 4 / 3)
    for number in range(10):
        for picture in range(2):
            blindness.feed(np.array([[0.45, 0.4, 0.55, 0.6]]), NOBODY, number * 3 + picture * 0.2)
    assert not blindness.is_blind(40.0)
