"""The gate opens for what moves, not for the light, and closes again."""

from __future__ import annotations

import numpy as np

from pipelines.vision.quality.gate import Gate, Motion

WIDTH, HEIGHT = 320, 240


def fed(pictures: list[np.ndarray], rate: float = 5.0) -> list[Motion]:
    gate = Gate()
    return [gate.feed(one.astype(np.uint8), number / rate) for number, one in enumerate(pictures)]


def empty(many: int) -> list[np.ndarray]:
    chance = np.random.default_rng(0)
    return [80 + chance.normal(0, 2, (HEIGHT, WIDTH)) for _ in range(many)]


def test_a_still_scene_closes_the_gate() -> None:
    told = fed(empty(50))
    assert not any(one.is_open for one in told[20:])
    assert sum(one.opened for one in told) == 1  # the first look


def test_what_moves_opens_it_and_is_boxed() -> None:
    pictures = empty(60)
    for number in range(40, 50):
        pictures[number][100:140, 10 * (number - 40) : 10 * (number - 40) + 20] = 200
    told = fed(pictures)
    assert [one.opened for one in told].index(True, 1) == 40
    x1, y1, x2, y2 = told[45].boxes[np.argmax(told[45].boxes[:, 2])]
    assert x1 < 60 / WIDTH < x2
    assert y1 < 120 / HEIGHT < y2


def test_a_jump_of_the_light_is_no_motion() -> None:
    pictures = empty(60)
    pictures[40:] = [one + 60 for one in pictures[40:]]
    told = fed(pictures)
    assert [number for number, one in enumerate(told) if one.jumped] == [40]
    assert not any(len(one.boxes) for one in told)
