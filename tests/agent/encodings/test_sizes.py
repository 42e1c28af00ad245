"""What a broker takes at most is kept by every encoding that puts several points into one message."""

from __future__ import annotations

import json

import pytest

from agent.core.message import Encoding, Head, Loss
from agent.core.point import Point
from agent.core.product import Product
from agent.core.record import Aggregate
from agent.encodings.native import Native
from agent.registry import plugin
from tests.agent.uplink.kit import PLACE, a_route

MOST = 1500
HEAD = Head(epoch=7, seq=100, policy="3b683cb786f6", most=MOST)
NAMES = [f"ahu-{n}.supply_temperature" for n in range(150)]
POINTS = tuple(Point(name=name, unit="Cel", quantity="temperature", resolution=0.01) for name in NAMES)
PRODUCT = Product(
    id="climate", points=POINTS, published=POINTS, steps=(), window=60.0, span="1m", statistics=("mean",)
)
FIGURES = [Aggregate(name, 1_795_262_400.0, 60.0, 12, (21.62 + n / 7,)) for n, name in enumerate(NAMES)]


def made(kind: str) -> Encoding:
    style = plugin("encoding", kind)
    encoding: Encoding = style(PLACE, style.settings_type())
    return encoding


@pytest.mark.parametrize("kind", ["native", "senml", "thingsboard", "homeassistant", "sparkplug-b"])
def test_a_window_comes_in_parts_that_fit_each_with_its_own_number(kind: str) -> None:
    parts = made(kind).batch(PRODUCT, HEAD, FIGURES)
    assert len(parts) > 3
    assert max(len(one.body) for one in parts) <= MOST
    ids = [value for one in parts for name, value in one.user if name == "id"]
    assert ids == [f"gw1/7/climate/{seq}" for seq in range(100, 100 + len(parts))]
    text = b"".join(one.body for one in parts)
    numbers = [f"ahu-{n}".encode() for n in range(150)]
    assert all(one in text for one in numbers)
    assert len(made(kind).batch(PRODUCT, Head(epoch=7, seq=1, policy="p"), FIGURES)) <= 2


def test_a_birth_comes_in_parts_too() -> None:
    parts = Native(PLACE).birth(PRODUCT, a_route(), HEAD, "3f9c0a1b")
    assert max(len(one.body) for one in parts) <= MOST
    told = [name for one in parts for name in json.loads(one.body)["points"]]
    assert told == NAMES


def test_a_declaration_of_many_losses_is_drawn_together_and_stays_true() -> None:
    losses = [
        Loss(why="cap", epoch=7, first=n, last=n, count=1, begin=60.0 * n, end=60.0 * n + 60)
        for n in range(50)
    ]
    gap = Native(PLACE).gap("climate", HEAD, losses)
    assert len(gap.body) <= MOST
    (lost,) = json.loads(gap.body)["lost"]
    assert (lost["from"], lost["to"], lost["n"]) == (0, 49, 50)
