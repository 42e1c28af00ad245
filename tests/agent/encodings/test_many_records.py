"""A hundred thousand figures through decoders that we did not write: what they read is what went in."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from agent.core.message import Head
from agent.core.point import Point
from agent.core.product import Product
from agent.core.record import Aggregate, State
from agent.encodings.senml import Senml
from agent.encodings.sparkplug_b import SparkplugB
from tests.agent.encodings.test_states import NOON, PLACE
from tests.peers.foreign import read_by_senml, read_by_tahu

WINDOWS, POINTS = 2500, 40
NAMES = [f"ahu-{n // 8}.value_{n}" for n in range(POINTS)]


def drawn() -> Iterator[dict[str, float | None]]:
    """Draw the figures of each window: of every size, some withheld."""
    dice = random.Random(8)
    for _ in range(WINDOWS):
        yield {
            name: None
            if dice.random() < 0.1
            else dice.choice((1, -1)) * dice.random() * 10 ** dice.randint(-9, 12)
            for name in NAMES
        }


def product() -> Product:
    points = tuple(Point(name=name) for name in NAMES)
    return Product(
        id="climate", points=points, published=points, steps=(), window=60.0, span="1m", statistics=("mean",)
    )


def figures(values: dict[str, float | None], number: int) -> list[Aggregate]:
    return [
        Aggregate(
            name, NOON + 60 * number, 60.0, None if value is None else 12, (value,),
            State.SUPPRESSED if value is None else State.OK,
        )
        for name, value in values.items()
    ]  # fmt: skip


@pytest.mark.long
def test_senml_is_resolved_to_what_went_in() -> None:
    known, made, expected = product(), Senml(PLACE), list(drawn())
    packs = [
        message.body
        for number, values in enumerate(expected)
        for message in made.batch(known, Head(epoch=1, seq=number + 1, policy="p"), figures(values, number))
    ]
    assert len(packs) == WINDOWS
    for number, (read, values) in enumerate(zip(read_by_senml(packs), expected, strict=True)):
        told = {one["name"]: one["value"] for one in read if one["name"].endswith(":mean")}
        assert told == {
            f"vaasa:library:gw1:{name}:mean": value for name, value in values.items() if value is not None
        }
        assert {one["time"] for one in read} == {NOON + 60 * number}


@pytest.mark.long
def test_sparkplug_is_read_as_it_went_in() -> None:
    known, made, expected = product(), SparkplugB(PLACE), list(drawn())
    talk = made.talk(0, lambda: NOON)
    bodies = [
        talk.dress(message.topic, message.body, late=False)
        for number, values in enumerate(expected)
        for message in made.batch(known, Head(epoch=1, seq=number + 1, policy="p"), figures(values, number))
    ]
    for number, (read, values) in enumerate(zip(read_by_tahu(bodies), expected, strict=True)):
        told = {one["name"]: one["value"] for one in read["metrics"]}
        assert {name: told[f"{name}/mean"] for name in NAMES} == values
        assert {told[f"{name}/quality"] for name in NAMES} <= {"ok", "suppressed"}
        assert read["seq"] == number % 256
