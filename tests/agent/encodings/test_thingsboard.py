"""ThingsBoard: topics and bodies as its MQTT API documents them, and the limits it sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from agent.core.message import Head, Loss, Message, Place
from agent.core.point import Point
from agent.core.product import Product, Route
from agent.core.record import Aggregate, Event, State
from agent.encodings.thingsboard import Thingsboard, ThingsboardSettings

NOON: Final = 1795262400.0
PLACE: Final = Place(city="vaasa", site="library", gateway="gw1")
HEAD: Final = Head(epoch=42, seq=1000, policy="3b683cb786f6", boot_id="6f1c22ab")
ROUTE: Final = Route(
    recipient="city", product="climate", grant="ops", purpose="operations", basis="task", keep=3600.0
)
DEVICE: Final = ThingsboardSettings(mode="device")
SIMPLE: Final = (int, float, str, bool, list, dict)


def climate(*names: str) -> Product:
    points = tuple(Point(name=name, unit="Cel", resolution=0.01) for name in names or ("ahu-1.supply_temp",))
    return Product(
        id="climate", points=points, published=points, steps=(), window=900.0, span="15m",
        statistics=("mean", "min"),
    )  # fmt: skip


def body(message: Message) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(message.body)
    return read


def filed(messages: Sequence[Message]) -> dict[tuple[str, str, int], Any]:
    """File telemetry as the platform does: by device, key and time, the later one overwrites."""
    store: dict[tuple[str, str, int], Any] = {}
    for message in messages:
        assert message.topic == "v1/gateway/telemetry"
        for device, entries in body(message).items():
            for entry in entries:
                assert entry.keys() == {"ts", "values"}
                for key, value in entry["values"].items():
                    assert isinstance(value, SIMPLE), "it refuses null"
                    store[device, key, entry["ts"]] = value
    return store


def read_states(messages: Sequence[Message]) -> dict[str, tuple[str, object]]:
    found = {key: value for (_, key, _), value in filed(messages).items()}
    points = [key.removesuffix(".quality") for key in found if key.endswith(".quality")]
    return {name: (found[f"{name}.quality"], found.get(f"{name}.sum")) for name in points}


def test_each_product_is_a_device_and_each_figure_a_key() -> None:
    figure = Aggregate("ahu-1.supply_temp", NOON, 900.0, 12, (21.6234, 19.15))
    (message,) = Thingsboard(PLACE).batch(climate(), HEAD, [figure])
    assert body(message) == {
        "library.gw1.climate": [
            {
                "ts": 1795262400000,
                "values": {
                    "ahu-1.supply_temp.mean": 21.62,
                    "ahu-1.supply_temp.min": 19.15,
                    "ahu-1.supply_temp.n": 12,
                    "ahu-1.supply_temp.quality": "ok",
                    "epoch": 42,
                    "seq": 1000,
                },
            }
        ]
    }


def test_a_device_alone_writes_telemetry_of_its_own_and_tells_products_apart() -> None:
    figure = Aggregate("ahu-1.supply_temp", NOON, 900.0, 12, (21.6234, 19.15))
    (message,) = Thingsboard(PLACE, DEVICE).batch(climate(), HEAD, [figure])
    assert message.topic == "v1/devices/me/telemetry"
    assert body(message)["ts"] == 1795262400000
    assert body(message)["values"]["climate.ahu-1.supply_temp.mean"] == 21.62


def test_a_device_is_announced_before_its_attributes() -> None:
    births = Thingsboard(PLACE).birth(climate(), ROUTE, HEAD, "3f9c0a1b")
    assert [one.topic for one in births] == ["v1/gateway/connect", "v1/gateway/attributes"]
    assert body(births[0]) == {"device": "library.gw1.climate", "type": "citygate"}
    assert body(births[1])["library.gw1.climate"]["units"] == {"ahu-1.supply_temp": "Cel"}
    alone = Thingsboard(PLACE, DEVICE).birth(climate(), ROUTE, HEAD, "3f9c0a1b")
    assert [one.topic for one in alone] == ["v1/devices/me/attributes"]


def test_a_late_window_does_not_replace_a_newer_one_and_a_repetition_changes_nothing() -> None:
    made = Thingsboard(PLACE)
    (old,), (new,) = (
        made.batch(climate(), HEAD, [Aggregate("ahu-1.supply_temp", at, 900.0, 12, (value, value))])
        for at, value in ((NOON, 20.0), (NOON + 900, 22.0))
    )
    store = filed([new, old, old])
    newest = max(time for _, key, time in store if key == "ahu-1.supply_temp.mean")
    assert store["library.gw1.climate", "ahu-1.supply_temp.mean", newest] == 22.0
    assert len([one for one in store if one[1] == "ahu-1.supply_temp.mean"]) == 2


def test_nothing_is_retained_and_nothing_has_qos_2() -> None:
    made = Thingsboard(PLACE)
    loss = Loss(why="cap", epoch=42, first=900, last=931, count=32, begin=NOON - 3600, end=NOON)
    event = Event("ahu-1.filter_dp", "threshold", "warning", NOON, 251.0, "Pa", "above")
    said = [
        *made.batch(climate(), HEAD, [event]),
        *made.birth(climate(), ROUTE, HEAD, "3f9c0a1b"),
        made.gap("climate", HEAD, [loss]),
        made.will("3f9c0a1b", 42),
    ]
    assert {(one.qos, one.retain) for one in said} == {(1, False)}


def test_a_loss_is_filed_at_the_end_of_its_stretch() -> None:
    loss = Loss(why="cap", epoch=42, first=900, last=931, count=32, begin=NOON - 3600, end=NOON)
    (entry,) = body(Thingsboard(PLACE).gap("climate", HEAD, [loss]))["library.gw1.climate"]
    assert entry["ts"] == 1795262400000
    assert entry["values"]["lost.messages"] == 32


def test_no_body_exceeds_what_it_takes() -> None:
    names = tuple(f"meter-{n:03d}.active_power" for n in range(700))
    figures = [Aggregate(name, NOON, 900.0, 6, (0.5, 1.0), State.PARTIAL, 0.5, "no_reply") for name in names]
    messages = Thingsboard(PLACE).batch(climate(*names), HEAD, figures)
    assert max(len(one.body) for one in messages) <= 65536
    assert len({key for _, key, _ in filed(messages) if key.endswith(".mean")}) == 700


def test_a_product_with_a_title_is_shown_by_it() -> None:
    _, attributes = Thingsboard(PLACE).birth(replace(climate(), title="Air supply"), ROUTE, HEAD, "3f9c0a1b")
    [about] = body(attributes).values()
    assert (about["title"], about["window"], about["statistics"]) == ("Air supply", 900, ["mean", "min"])


def test_what_is_made_on_the_platform_beforehand_is_what_messages_name() -> None:
    figure = Aggregate("ahu-1.supply_temp", NOON, 900.0, 12, (21.6234, 19.15))
    gateway = Thingsboard(PLACE)
    told = gateway.provision([climate()])
    assert told["device"]["additionalInfo"]["gateway"] is True
    assert told["names"] == list(body(gateway.batch(climate(), HEAD, [figure])[0]))
    alone = Thingsboard(PLACE, DEVICE).provision([climate()])
    assert alone["names"] == [alone["device"]["name"]]
    assert alone["device"]["additionalInfo"]["gateway"] is False
