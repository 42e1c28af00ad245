"""Home Assistant: announcements, and its own template language over our messages."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import pytest
from msgspec.structs import replace

from agent.core.message import Head, Message, Place, Queue, Status
from agent.core.point import Kind, Point
from agent.core.product import Product, Route, Statistic
from agent.core.record import Aggregate, State
from agent.encodings._homeassistant_classes import device_class, state_class, unit_of
from agent.encodings.homeassistant import Homeassistant, HomeassistantSettings
from tests.peers.foreign import rendered

NOON: Final = 1795262400.0
PLACE: Final = Place(city="vaasa", site="library", gateway="gw1", label="Library")
HEAD: Final = Head(epoch=42, seq=1000, policy="3b683cb786f6", boot_id="6f1c22ab")
ROUTE: Final = Route(
    recipient="city", product="climate", grant="ops", purpose="operations", basis="task", keep=3600.0
)
TEMPERATURE: Final = Point(name="ahu-1.supply_temp", unit="Cel", resolution=0.01, quantity="temperature")
ENERGY: Final = Point(name="meter.energy", unit="kW.h", kind=Kind.COUNTER, quantity="active_energy_import")
PEOPLE: Final = Point(name="door.in", kind=Kind.COUNT)


def of(*points: Point, statistics: tuple[Statistic, ...] = ("mean",)) -> Product:
    return Product(
        id="climate", points=points, published=points, steps=(), window=900.0, span="15m",
        statistics=statistics,
    )  # fmt: skip


def body(message: Message) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(message.body)
    return read


def announced(product: Product) -> dict[str, dict[str, Any]]:
    """Give every announced sensor by its unique id, with what its device shares among them."""
    found: dict[str, dict[str, Any]] = {}
    for message in Homeassistant(PLACE).birth(product, ROUTE, HEAD, "3f9c0a1b"):
        read = body(message)
        for one in read["cmps"].values():
            found[one["uniq_id"]] = {**one, "device": read["dev"], "availability": read.get("avty_tpl")}
    return found


def shown(product: Product, messages: Sequence[Message]) -> dict[str, str]:
    """Give the state of each sensor after *messages*, as that platform keeps it."""
    state: dict[str, str] = {}
    for message in messages:
        sensors = {key: one for key, one in announced(product).items() if one["stat_t"] == message.topic}
        asked = [(one["val_tpl"], message.body, state.get(key, "unknown")) for key, one in sensors.items()]
        for key, text in zip(sensors, rendered(asked), strict=True):
            if text:  # an empty text leaves a sensor as it is
                state[key] = "unknown" if text == "None" else text
    return state


def read_states(messages: Sequence[Message]) -> dict[str, tuple[str, object]]:
    points = tuple(Point(name=f"door.{one}", kind=Kind.COUNT) for one in State)
    people = Product(
        id="people", points=points, published=points, steps=(), window=900.0, span="15m", statistics=("sum",)
    )
    found = shown(people, messages)

    def number(text: str) -> float | None:
        return None if text == "unknown" else float(text)

    key = "vaasa-library-gw1-people"
    return {
        one.name: (found[f"{key}-{one.name}-quality"], number(found[f"{key}-{one.name}-sum"]))
        for one in points
    }


def test_each_building_device_is_a_device_behind_the_gateway() -> None:
    messages = Homeassistant(PLACE).birth(of(TEMPERATURE, ENERGY), ROUTE, HEAD, "3f9c0a1b")
    assert [one.topic for one in messages] == [
        "homeassistant/device/vaasa-library-gw1-climate/config",
        "homeassistant/device/vaasa-library-gw1-climate-ahu-1/config",
        "homeassistant/device/vaasa-library-gw1-climate-meter/config",
    ]
    assert all(one.retain for one in messages), "it may start later than we"
    assert body(messages[1])["dev"] == {
        "ids": ["vaasa-library-gw1-ahu-1"], "name": "ahu-1", "via_device": "vaasa-library-gw1",
    }  # fmt: skip


def test_a_sensor_has_unit_classes_and_an_end() -> None:
    sensor = announced(of(TEMPERATURE))["vaasa-library-gw1-climate-ahu-1.supply_temp-mean"]
    assert {key: sensor[key] for key in ("p", "unit_of_meas", "dev_cla", "stat_cla", "exp_aft")} == {
        "p": "sensor", "unit_of_meas": "°C", "dev_cla": "temperature", "stat_cla": "measurement",
        "exp_aft": 2700,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("point", "statistic", "classes"),
    [
        (TEMPERATURE, "max", ("°C", "temperature", "measurement")),
        (ENERGY, "delta", ("kWh", "energy", "total")),
        (ENERGY, "last", ("kWh", "energy", "total_increasing")),
        (PEOPLE, "sum", ("", "", "total")),
        (Point(name="a.x", unit="kW.h"), "mean", ("kWh", "", "measurement")),
        (Point(name="a.x", unit="%", quantity="relative_humidity"), "mean", ("%", "humidity", "measurement")),
        (Point(name="a.x", unit="%"), "mean", ("%", "", "measurement")),
        (Point(name="a.x", unit="[ppm]", quantity="co2"), "mean", ("ppm", "carbon_dioxide", "measurement")),
        (Point(name="a.x", kind=Kind.STATE), "share", ("", "", "measurement")),
        (Point(name="a.x", unit="W"), "mean", ("W", "power", "measurement")),
        (Point(name="a.x", unit="s"), "mean", ("s", "duration", "measurement")),
        (Point(name="a.x", unit="s", kind=Kind.COUNTER), "delta", ("s", "duration", "total")),
        (Point(name="a.x", unit="[pH]", quantity="ph"), "mean", ("", "ph", "measurement")),
    ],
)
def test_classes_follow_from_unit_quantity_and_statistic(
    point: Point, statistic: str, classes: tuple[str, str, str]
) -> None:
    found = (unit_of(point, statistic), device_class(point, statistic), state_class(point, statistic))
    assert found == classes


def test_a_figure_that_counts_from_its_window_says_when_that_began() -> None:
    product = of(ENERGY, statistics=("delta",))
    sensor = announced(product)["vaasa-library-gw1-climate-meter.energy-delta"]
    (message,) = Homeassistant(PLACE).batch(
        product, HEAD, [Aggregate("meter.energy", NOON, 900.0, 9, (1.5,))]
    )
    assert rendered([(sensor["lrst_val_tpl"], message.body, "")]) == ["2026-11-21T12:00:00Z"]


def test_after_a_drained_outage_the_newest_value_shows() -> None:
    product = of(TEMPERATURE)
    windows = [
        Homeassistant(PLACE).batch(
            product, HEAD, [Aggregate("ahu-1.supply_temp", NOON + 900 * n, 900.0, 9, (20.0 + n,))]
        )
        for n in range(5)
    ]
    state = shown(product, [one for messages in windows for one in messages])
    assert Homeassistant.late == "in-order", "the outbox lets nothing overtake"
    assert state["vaasa-library-gw1-climate-ahu-1.supply_temp-mean"] == "24"


def test_a_window_with_one_of_the_points_leaves_the_others_as_they_are() -> None:
    product = of(TEMPERATURE, ENERGY)
    both = [Aggregate(name, NOON, 900.0, 9, (20.5,)) for name in ("ahu-1.supply_temp", "meter.energy")]
    one = [Aggregate("meter.energy", NOON + 900, 900.0, None, (None,), State.SUPPRESSED)]
    made = Homeassistant(PLACE)
    state = shown(product, [*made.batch(product, HEAD, both), *made.batch(product, HEAD, one)])
    assert state["vaasa-library-gw1-climate-ahu-1.supply_temp-mean"] == "20.5"
    assert state["vaasa-library-gw1-climate-ahu-1.supply_temp-quality"] == "ok"
    assert state["vaasa-library-gw1-climate-meter.energy-mean"] == "unknown"
    assert state["vaasa-library-gw1-climate-meter.energy-quality"] == "suppressed"


def test_every_sensor_is_unavailable_when_the_gateway_is_gone() -> None:
    status = Status(
        state="degraded", lid="3f9c0a1b", epoch=42, policy="3b683cb786f6", clock="ntp", software="0.1.0",
        queue=Queue(n=2, oldest=NOON, bytes=300, cap=1000), routes=(("city.climate", "ok"),),
    )  # fmt: skip
    made = Homeassistant(PLACE)
    sensor = announced(of(TEMPERATURE))["vaasa-library-gw1-climate-ahu-1.supply_temp-mean"]
    said = (made.status(status), made.will("3f9c0a1b", 42))
    assert rendered([(sensor["availability"], one.body, "") for one in said]) == ["online", "offline"]


def test_a_sensor_tells_how_its_figure_came_about() -> None:
    product = of(TEMPERATURE)
    figure = Aggregate("ahu-1.supply_temp", NOON, 900.0, 8, (20.0,), State.PARTIAL, 0.5, "no_reply")
    (message,) = Homeassistant(PLACE).batch(product, HEAD, [figure])
    sensor = announced(product)["vaasa-library-gw1-climate-ahu-1.supply_temp-mean"]
    (attributes,) = rendered([(sensor["json_attr_tpl"], message.body, "")])
    assert json.loads(attributes) == {
        "mean": 20, "n": 8, "quality": "partial", "coverage": 0.5, "why": "no_reply",
    }  # fmt: skip


def test_a_device_of_many_points_is_announced_in_parts_of_bearable_size() -> None:
    points = tuple(Point(name=f"plc.value_{n:03d}", unit="Cel") for n in range(150))
    messages = Homeassistant(PLACE).birth(
        of(*points, statistics=("mean", "min", "max")), ROUTE, HEAD, "3f9c0a1b"
    )
    devices = [body(one)["dev"]["ids"] for one in messages[1:]]
    assert len(devices) > 1
    assert all(one == ["vaasa-library-gw1-plc"] for one in devices)
    assert max(len(one.body) for one in messages) <= 64 * 1024
    sensors = [one["uniq_id"] for message in messages for one in body(message)["cmps"].values()]
    assert len(sensors) == len(set(sensors)) == 2 + 150 * 4


def test_discovery_topics_have_only_allowed_letters_and_the_chosen_prefix() -> None:
    made = Homeassistant(PLACE, HomeassistantSettings(prefix="ha"))
    for one in made.birth(of(TEMPERATURE), ROUTE, HEAD, "3f9c0a1b"):
        assert re.fullmatch(r"ha/device/[A-Za-z0-9_-]+/config", one.topic)
        assert all(re.fullmatch(r"[A-Za-z0-9_-]+", key) for key in body(one)["cmps"])


def test_a_sensor_of_events_does_not_expire() -> None:
    events = of(TEMPERATURE, statistics=("last",))
    sensors = announced(replace(events, window=0.0, span=""))
    assert all("exp_aft" not in one for one in sensors.values())
    assert any("exp_aft" in one for one in announced(events).values())
