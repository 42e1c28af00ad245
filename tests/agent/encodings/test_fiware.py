"""FIWARE: measures as the IoT Agent for JSON takes them, and entities as the published schemas want them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import pytest

from agent.core.message import Head, Loss, Message, Place, Queue, Status
from agent.core.point import Kind, Point
from agent.core.product import Privacy, Product, Statistic
from agent.core.record import Aggregate, State
from agent.encodings._fiware_entities import ModelMap
from agent.encodings._smart_models import MODELS
from agent.encodings.fiware import Fiware, FiwareSettings
from tests.peers.smart_data_models import faults

NOON: Final = 1795262400.0
PLACE: Final = Place(city="vaasa", site="library", gateway="gw1", location=(21.6, 63.1))
HEAD: Final = Head(epoch=42, seq=1000, policy="3b683cb786f6", boot_id="6f1c22ab")
STREET: Final = {"streetAddress": "Kirjastonkatu 13", "addressLocality": "Vaasa"}
PEOPLE: Final = {"peopleCountTowards": "person_to_left.sum", "peopleCountAway": "person_to_right.sum"}
CROWD: Final = ModelMap(model="CrowdFlowObserved", map=PEOPLE)


def of(
    *points: Point, statistics: tuple[Statistic, ...] = ("sum",), privacy: Privacy | None = None
) -> Product:
    return Product(
        id="people", points=points, published=points, steps=(), window=900.0, span="15m",
        statistics=statistics, privacy=privacy or Privacy(),
    )  # fmt: skip


STREAM: Final = of(
    *(Point(name=f"square.gate.person_to_{way}", kind=Kind.COUNT) for way in ("left", "right"))
)


def made(mapping: ModelMap | None = None, *, form: str = "iot-agent", place: Place = PLACE) -> Fiware:
    models = {"people": mapping} if mapping else {}
    return Fiware(place, FiwareSettings(form=form, models=models))  # type: ignore[arg-type]


def body(message: Message) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(message.body)
    return read


def kept(messages: Sequence[Message]) -> dict[str, dict[str, Any]]:
    """Keep states as agent and broker do: by device; null leaves what was there, the last word counts."""
    state: dict[str, dict[str, Any]] = {}
    for message in messages:
        _, root, _, device, end = message.topic.split("/")
        assert (root, end) == ("json", "attrs")
        told = {key: one for key, one in body(message).items() if one is not None}
        state[device] = {**state.get(device, {}), **told}
    return state


def read_states(messages: Sequence[Message]) -> dict[str, tuple[str, object]]:
    """Read a window back: a property that was not told at this time is none."""
    read = {message.topic.split("/")[3]: body(message) for message in messages}
    names = {device: device.removeprefix("library.people.").removesuffix(".sum") for device in read}
    return {names[device]: (told["quality"], told.get("numValue")) for device, told in read.items()}


def flow(left: float | None, right: float | None, *states: State, at: float = NOON) -> list[Aggregate]:
    state = [*states, State.OK, State.OK]
    return [
        Aggregate(
            f"square.gate.person_to_{way}", at, 900.0, None if value is None else 900, (value,), state[n]
        )
        for n, (way, value) in enumerate((("left", left), ("right", right)))
    ]


def test_a_window_of_an_entity_is_one_flat_message_with_its_own_time() -> None:
    (message,) = made(CROWD).batch(STREAM, HEAD, flow(12, 9))
    assert message.topic == "/json/citygate/library.people.square.gate/attrs"
    assert body(message) == {
        "dateObserved": "2026-11-21T12:00:00Z",
        "dateObservedFrom": "2026-11-21T12:00:00Z",
        "dateObservedTo": "2026-11-21T12:15:00Z",
        "peopleCountTowards": 12,
        "peopleCountAway": 9,
        "quality": "ok",
        "qualities": {"peopleCountTowards": "ok", "peopleCountAway": "ok"},
        "coverage": 1,
        "why": "none",
        "window": 900,
        "epoch": 42,
        "seq": 1000,
        "TimeInstant": "2026-11-21T12:00:00Z",
    }


def test_a_withheld_figure_has_no_property_and_a_quality_of_its_own() -> None:
    (message,) = made(CROWD).batch(STREAM, HEAD, flow(None, 9, State.SUPPRESSED))
    read = body(message)
    assert "peopleCountTowards" not in read
    assert read["peopleCountAway"] == 9
    assert read["quality"] == "suppressed", "the worst of all"
    assert read["qualities"] == {"peopleCountTowards": "suppressed", "peopleCountAway": "ok"}


def test_after_a_drained_outage_the_newest_value_shows() -> None:
    encoding = made(CROWD)
    windows = [encoding.batch(STREAM, HEAD, flow(n, n, at=NOON + 900 * n)) for n in range(6)]
    assert Fiware.late == "in-order", "the outbox lets nothing overtake"
    state = kept([one for messages in windows for one in messages])
    assert state["library.people.square.gate"]["peopleCountTowards"] == 5
    assert state["library.people.square.gate"]["TimeInstant"] == "2026-11-21T13:15:00Z"


def test_an_entity_has_the_id_that_it_is_provisioned_with() -> None:
    found = made(CROWD).provision([STREAM])
    device, gateway = found["devices"]["devices"]
    assert device["device_id"] == "library.people.square.gate"
    assert device["entity_name"] == "urn:ngsi-ld:CrowdFlowObserved:vaasa:library:people.square.gate"
    assert device["timestamp"] is found["services"]["services"][0]["timestamp"] is True
    assert {one["name"]: one["type"] for one in device["static_attributes"]} == {"location": "geo:json"}
    assert gateway["device_id"] == "library.gw1"


def test_every_message_goes_to_a_device_that_is_provisioned() -> None:
    encoding = made(CROWD)
    loss = Loss(why="cap", epoch=42, first=900, last=931, count=32)
    status = Status(
        state="online", lid="3f9c0a1b", epoch=42, policy="3b683cb786f6", clock="ntp", software="0.1.0",
        queue=Queue(n=2, oldest=NOON, bytes=300, cap=1000), routes=(("city.people", "ok"),),
    )  # fmt: skip
    said = [
        *encoding.batch(STREAM, HEAD, flow(1, 2)),
        encoding.gap("people", HEAD, [loss]),
        encoding.status(status),
        encoding.will("3f9c0a1b", 42),
    ]
    known = {one["device_id"] for one in encoding.provision([STREAM])["devices"]["devices"]}
    assert kept(said).keys() <= known, "an unknown id yields nothing there, silently"


def test_what_has_no_model_becomes_measurements_one_for_each_figure() -> None:
    point = Point(name="ahu-1.supply_temp", unit="Cel", quantity="temperature", resolution=0.1)
    product = of(point, statistics=("mean", "max"))
    messages = made(form="ngsi-ld").batch(
        product, HEAD, [Aggregate(point.name, NOON, 900.0, 9, (21.52, 22.0))]
    )
    assert [body(one)["numValue"] for one in messages] == [21.5, 22]
    assert [dict(one.user)["id"] for one in messages] == ["gw1/42/people/1000", "gw1/42/people/1001"]
    for one in messages:
        assert faults("Device", "DeviceMeasurement", body(one)) == []


LIVE: Final[dict[str, tuple[dict[str, str], dict[str, Any], tuple[Point, ...], Statistic]]] = {
    "CrowdFlowObserved": (
        {"peopleCount": "people.sum"}, {}, (Point(name="square.gate.people", kind=Kind.COUNT),), "sum",
    ),
    "TrafficFlowObserved": (
        {"intensity": "car_to_left.sum", "averageVehicleSpeed": "speed.sum"},
        {"laneId": 1, "vehicleType": "car"},
        (Point(name="road.a.car_to_left", kind=Kind.COUNT), Point(name="road.a.speed", unit="m/s")),
        "sum",
    ),
    "ItemFlowObserved": (
        {"intensity": "car_to_left.sum"}, {"laneId": 1, "itemType": "vehicle"},
        (Point(name="road.a.car_to_left", kind=Kind.COUNT),), "sum",
    ),
    "EVChargingStation": (
        {"powerConsumption": "power.mean"},
        {"socketType": ["Type2"], "capacity": 2, "allowedVehicleType": ["car"]},
        (Point(name="charger.power", unit="W"),), "mean",
    ),
    "AirQualityObserved": (
        {
            "pm25": "pm25.mean", "pm10": "pm10.mean", "relativeHumidity": "humidity.mean",
            "temperature": "t.mean",
        },
        {},
        (
            Point(name="air.pm25", unit="ug/m3"), Point(name="air.pm10", unit="ug/m3"),
            Point(name="air.humidity", unit="%"), Point(name="air.t", unit="[degF]"),
        ),
        "mean",
    ),
    "IndoorEnvironmentObserved": (
        {"temperature": "t.mean", "co2": "co2.mean", "relativeHumidity": "humidity.mean"}, {},
        (
            Point(name="room.t", unit="Cel"), Point(name="room.co2", unit="[ppm]"),
            Point(name="room.humidity", unit="%"),
        ),
        "mean",
    ),
    "NoiseLevelObserved": ({"LAeq": "laeq.mean"}, {}, (Point(name="noise.laeq", unit="dB"),), "mean"),
    "ParkingSpot": (
        {"status": "bay_1.share"},
        {"category": ["offStreet"], "refParkingSite": "urn:ngsi-ld:OffStreetParking:vaasa:library:lot"},
        (Point(name="lot.bays.bay_1", kind=Kind.STATE),), "share",
    ),
    "OffStreetParking": (
        {"occupiedSpotNumber": "occupied.mean"}, {"category": ["public"], "totalSpotNumber": 40},
        (Point(name="lot.occupied"),), "mean",
    ),
    "Building": (
        {"peopleOccupancy": "people.mean"}, {"category": ["civic"], "address": STREET},
        (Point(name="hall.people"),), "mean",
    ),
    "ThreePhaseAcMeasurement": (
        {
            "totalActivePower": "power.mean", "phaseVoltage.L1": "voltage_l1.mean",
            "phaseVoltage.L2": "voltage_l2.mean", "totalActiveEnergyImport": "energy.mean",
        },
        {},
        (
            Point(name="meter.power", unit="kW"), Point(name="meter.voltage_l1", unit="V"),
            Point(name="meter.voltage_l2", unit="V"), Point(name="meter.energy", unit="MW.h"),
        ),
        "mean",
    ),
    "Device": (
        {"batteryLevel": "battery.mean"}, {"controlledProperty": ["temperature"]},
        (Point(name="sensor.battery", unit="%"),), "mean",
    ),
    "DeviceMeasurement": ({"numValue": "x.mean"}, {}, (Point(name="a.x"),), "mean"),
}  # fmt: skip


def test_every_model_is_tried() -> None:
    assert LIVE.keys() == MODELS.keys()


@pytest.mark.parametrize("model", sorted(LIVE))
@pytest.mark.parametrize("state", [State.OK, State.SUPPRESSED, State.NO_DATA, State.PARTIAL])
def test_an_entity_passes_the_published_schema_whatever_state_its_figures_are_in(
    model: str, state: State
) -> None:
    mapping, fixed, points, statistic = LIVE[model]
    product = of(*points, statistics=(statistic,))
    encoding = made(ModelMap(model=model, map=mapping, fixed=fixed), form="ngsi-ld")
    assert not list(encoding.objections(product))
    value = None if state in (State.SUPPRESSED, State.NO_DATA) else 1.0
    figures = [Aggregate(one.name, NOON, 900.0, 9, (value,), state, 0.5, "no_reply") for one in points]
    (message,) = encoding.batch(product, HEAD, figures)
    read = body(message)
    assert read["quality"] == state
    assert faults(MODELS[model].domain, model, read) == []


def test_the_schemas_refuse_what_is_wrong() -> None:
    (message,) = made(CROWD, form="ngsi-ld").batch(STREAM, HEAD, flow(12, 9))
    read = body(message)
    assert faults("Transportation", "CrowdFlowObserved", read) == []
    assert faults("Transportation", "CrowdFlowObserved", read | {"peopleCountAway": -1})
    assert faults("Transportation", "CrowdFlowObserved", read | {"dateObservedTo": "noon"})


def test_figures_are_expressed_in_the_units_of_the_model() -> None:
    mapping, fixed, points, statistic = LIVE["ThreePhaseAcMeasurement"]
    encoding = made(ModelMap(model="ThreePhaseAcMeasurement", map=mapping, fixed=fixed))
    figures = [Aggregate(one.name, NOON, 900.0, 9, (2.5,)) for one in points]
    (message,) = encoding.batch(of(*points, statistics=(statistic,)), HEAD, figures)
    read = body(message)
    assert (read["totalActivePower"], read["totalActiveEnergyImport"]) == (2500, 2500)
    assert read["phaseVoltage"] == {"L1": 2.5, "L2": 2.5}


@pytest.mark.parametrize(("share", "word"), [(1.0, "occupied"), (0.2, "free"), (None, "unknown")])
def test_a_parking_spot_is_free_occupied_or_unknown(share: float | None, word: str) -> None:
    mapping, fixed, points, _ = LIVE["ParkingSpot"]
    encoding = made(ModelMap(model="ParkingSpot", map=mapping, fixed=fixed))
    figure = Aggregate("lot.bays.bay_1", NOON, 900.0, 9, (share,))
    (message,) = encoding.batch(of(*points, statistics=("share",)), HEAD, [figure])
    assert body(message)["status"] == word


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        (ModelMap(model="CrowdFlow", map=PEOPLE), 'no model is called "CrowdFlow"'),
        (ModelMap(model="AnprFlowObserved", map=PEOPLE), 'no model is called "AnprFlowObserved"'),
        (ModelMap(model="CrowdFlowObserved", map={"people": "x.sum"}), 'has no property "people"'),
        (ModelMap(model="CrowdFlowObserved", map={"peopleCount": "dog.sum"}), 'no point of "people" ends'),
        (
            ModelMap(model="CrowdFlowObserved", map={"peopleCount": "person_to_left.mean"}),
            'has no "mean"; it has sum',
        ),
        (
            ModelMap(
                model="Building", map={"peopleOccupancy": "person_to_left.sum"}, fixed={"category": ["a"]}
            ),
            'Building needs "address": write fixed = { address = ... }',
        ),
        (
            ModelMap(model="CrowdFlow", map={"peopleCount": "person_to_left.sum"}),
            'no model is called "CrowdFlow"; there are ',
        ),
        (
            ModelMap(model="AirQualityObserved", map={"pm25": "person_to_left.sum"}),
            '"pm25" is in ug/m3, but "square.gate.person_to_left" in 1',
        ),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_in_words(mapping: ModelMap, said: str) -> None:
    assert any(said in one for one in made(mapping).objections(STREAM))


def test_counts_with_noise_below_zero_do_not_fit_a_model_that_counts() -> None:
    noisy = of(*STREAM.points, privacy=Privacy(mode="dp", epsilon="1", sensitivity=1))
    assert any("clamp = true" in one for one in made(CROWD).objections(noisy))
    clamped = of(*STREAM.points, privacy=Privacy(mode="dp", epsilon="1", sensitivity=1, clamp=True))
    assert not list(made(CROWD).objections(clamped))


def test_a_model_that_needs_a_place_gets_that_of_the_site_or_is_refused() -> None:
    nowhere = Place(city="vaasa", site="library", gateway="gw1")
    mapping, _, points, _ = LIVE["AirQualityObserved"]
    air = of(*points, statistics=("mean",))
    told = list(made(ModelMap(model="AirQualityObserved", map=mapping), place=nowhere).objections(air))
    assert any('needs "location"' in one for one in told)


def test_what_an_entity_always_is_comes_with_its_type_and_its_own_place_goes_first() -> None:
    pole = {"type": "Point", "coordinates": [21.7, 63.2]}
    fixed = {"laneId": 1, "reversedLane": False, "vehicleType": "car", "location": pole, "refs": ["a"]}
    mapping = ModelMap(model="TrafficFlowObserved", map={"intensity": "person_to_left.sum"}, fixed=fixed)
    device, gateway = made(mapping).provision([STREAM])["devices"]["devices"]
    told = {one["name"]: (one["type"], one["value"]) for one in device["static_attributes"]}
    assert told == {
        "laneId": ("Number", 1), "reversedLane": ("Boolean", False), "vehicleType": ("Text", "car"),
        "location": ("geo:json", pole), "refs": ("StructuredValue", ["a"]),
    }  # fmt: skip
    assert gateway["static_attributes"]


def test_a_product_without_a_mapping_meets_no_objection() -> None:
    assert list(made().objections(STREAM)) == []
