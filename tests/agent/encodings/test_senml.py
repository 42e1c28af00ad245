"""SenML: the rules of RFC 8428, and what a foreign reader resolves."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.message import Head, Loss, Message, Place, Previous
from agent.core.point import Kind, Point
from agent.core.product import Product
from agent.core.record import Aggregate, Event, State
from agent.core.units import UNITS
from agent.encodings._senml_units import expressed
from agent.encodings.senml import Senml
from tests.peers.foreign import read_by_senml

NOON: Final = 1795262400.0
PLACE: Final = Place(city="vaasa", site="library", gateway="gw1")
HEAD: Final = Head(epoch=42, seq=1000, policy="3b683cb786f6", boot_id="6f1c22ab")
POINTS: Final = (
    Point(name="ahu-1.supply_temp", unit="Cel", resolution=0.01, quantity="temperature"),
    Point(name="ahu-1.humidity", unit="%", resolution=0.1, quantity="relative_humidity"),
    Point(name="meter.energy", unit="MW.h", kind=Kind.COUNTER),
    Point(name="door.in", kind=Kind.COUNT),
)
VALUES: Final = {"v", "vs", "vb", "vd"}


def climate(*points: Point) -> Product:
    return Product(
        id="climate", points=points or POINTS, published=points or POINTS, steps=(), window=900.0, span="15m",
        statistics=("mean",),
    )  # fmt: skip


def pack(message: Message) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads(message.body)
    return read


def resolved(messages: Sequence[Message]) -> dict[str, Any]:
    read = read_by_senml([one.body for one in messages])
    return {one["name"]: (one["value"], one["unit"], one["time"]) for each in read for one in each}


def read_states(messages: Sequence[Message]) -> dict[str, tuple[str, object]]:
    found = {name.removeprefix("vaasa:library:gw1:"): one[0] for name, one in resolved(messages).items()}
    points = {name.rpartition(":")[0] for name in found if name.startswith("door.")}
    return {name: (found.get(f"{name}:quality", "ok"), found.get(f"{name}:sum")) for name in points}


def test_a_foreign_reader_resolves_names_units_and_times() -> None:
    figures = [Aggregate(one.name, NOON, 900.0, 12, (21.6234,)) for one in POINTS]
    found = resolved(Senml(PLACE).batch(climate(), HEAD, figures))
    base = "vaasa:library:gw1:"
    assert found[f"{base}ahu-1.supply_temp:mean"] == (21.62, "Cel", NOON)
    assert found[f"{base}ahu-1.humidity:mean"] == (21.6, "%RH", NOON)
    assert found[f"{base}meter.energy:mean"] == (21623.4, "kWh", NOON)
    assert found[f"{base}door.in:mean"] == (21.6234, "count", NOON)
    assert found[f"{base}climate:seq"] == (1000, None, NOON)


def test_a_record_has_exactly_one_value_and_a_name_of_the_allowed_letters() -> None:
    figures = [
        Aggregate(
            "ahu-1.supply_temp", NOON, 900.0, 12, (21.6,), State.PARTIAL, 0.5, "no_reply", synced=False
        ),
        Aggregate("door.in", NOON, 900.0, None, (None,), State.SUPPRESSED, synced=False),
    ]
    event = Event("door.in", "threshold", "warning", NOON, 5.0, "1", "above 4")
    loss = Loss(why="cap", epoch=42, first=900, last=931, count=32)
    made = Senml(PLACE)
    said = [
        *made.batch(climate(), HEAD, [*figures, event]),
        made.gap("climate", HEAD, [loss]),
        made.start("climate", HEAD, Previous(epoch=41, last=8812, clean=False)),
        made.time("climate", HEAD, 1795291200.12),
        made.will("3f9c0a1b", 42),
    ]
    for message in said:
        assert message.content_type == "application/senml+json"
        for number, record in enumerate(pack(message)):
            assert len(VALUES & record.keys()) == 1
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9:./_-]*", record["n"])
            assert ("bn" in record) == (number == 0)
            assert record.keys() <= {"bn", "bt", "n", "u", *VALUES}
    assert "vaasa:library:gw1:door.in:sum" not in resolved(said)


def test_times_are_absolute() -> None:
    (message,) = Senml(PLACE).batch(climate(), HEAD, [Aggregate("door.in", NOON, 900.0, 1, (1.0,))])
    assert pack(message)[0]["bt"] >= 2**28, "a smaller one would be relative to now"


def test_a_withheld_figure_has_no_value_and_says_why() -> None:
    (message,) = Senml(PLACE).batch(
        climate(), HEAD, [Aggregate("door.in", NOON, 900.0, None, (None,), State.SUPPRESSED)]
    )
    assert [one["n"] for one in pack(message)] == ["door.in:quality", "climate:epoch", "climate:seq"]


@pytest.mark.parametrize(
    ("unit", "statistic", "quantity", "told"),
    [
        ("Cel", "mean", "", ("Cel", 20)),
        ("[degF]", "mean", "", ("Cel", -6.66666667)),
        ("[degF]", "delta", "", ("Cel", 11.1111111)),
        ("kPa", "mean", "", ("hPa", 200)),
        ("m3/h", "mean", "", ("l/s", 5.55555556)),
        ("kW.h", "delta", "", ("kWh", 20)),
        ("%", "mean", "relative_humidity", ("%RH", 20)),
        ("%", "mean", "", ("/100", 20)),
        ("[ppm]", "mean", "co2", ("ppm", 20)),
        ("1", "mean", "", ("", 20)),
        ("K/h", "mean", "", ("", 20)),
        ("1", "share", "", ("/", 20)),
    ],
)
def test_units_become_those_that_senml_has(
    unit: str, statistic: str, quantity: str, told: tuple[str, float]
) -> None:
    name, value = expressed(20, unit, statistic, quantity)
    assert name == told[0]
    assert value == pytest.approx(told[1], rel=1e-8)


def test_every_unit_keeps_its_measure() -> None:
    for unit in UNITS:
        name, value = expressed(7.25, unit, "mean", "")
        assert name or value == 7.25


names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}\.[a-z0-9][a-z0-9_]{0,20}", fullmatch=True)


def test_random_windows_are_resolved_to_what_went_in() -> None:
    packs: list[bytes] = []
    expected: list[dict[str, float | None]] = []

    @settings(max_examples=100, deadline=None, database=None)
    @given(st.dictionaries(names, st.none() | st.floats(-1e12, 1e12), min_size=1, max_size=5))
    def collect(drawn: dict[str, float | None]) -> None:
        known = climate(*(Point(name=name) for name in drawn))
        figures = [Aggregate(name, NOON, 900.0, 3, (value,)) for name, value in drawn.items()]
        (message,) = Senml(PLACE).batch(known, HEAD, figures)
        packs.append(message.body)
        expected.append({name: value for name, value in drawn.items() if value is not None})

    collect()
    for read, drawn in zip(read_by_senml(packs), expected, strict=True):
        values = {one["name"]: one["value"] for one in read if one["name"].endswith(":mean")}
        assert values == {f"vaasa:library:gw1:{name}:mean": value for name, value in drawn.items()}
