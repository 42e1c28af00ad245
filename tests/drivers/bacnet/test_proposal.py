"""What is proposed for a device is safe to say, and a driver takes it as it stands."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.settings import decode_hook
from agent.core.units import known
from drivers.bacnet import units
from drivers.bacnet.device import BacnetDevice
from drivers.bacnet.facts import DeviceFacts, ObjectFacts
from drivers.bacnet.kinds import POLLED
from drivers.bacnet.proposal import chosen, device_table, point_table, remarks

SUPPLY = ObjectFacts(
    type="analog-input", instance=1, name="B'N'AHU1'ZulTemp", description="Zulufttemperatur", unit=62
)
FAN = ObjectFacts(type="binary-input", instance=2, name="B'N'AHU1'Vent", states=("Aus", "Ein"))
MODE = ObjectFacts(type="multi-state-value", instance=3, name="B'N'AHU1'BA", states=("Auto", "", "Hand"))


def table(*objects: ObjectFacts, patterns: tuple[str, ...] = ("*",), events: bool = False) -> dict[str, Any]:
    device = DeviceFacts(instance=1011, address="10.20.0.15", objects=objects)
    return device_table(device, patterns, events=events)


def test_a_device_is_addressed_by_both_and_its_points_are_named() -> None:
    made = table(SUPPLY, FAN)
    assert (made["instance"], made["address"]) == (1011, "10.20.0.15")
    assert list(made["points"]) == ["zul_temp", "vent"]
    assert "address" not in device_table(DeviceFacts(instance=1), ())


def test_a_point_has_what_the_device_said() -> None:
    assert point_table(SUPPLY) == {
        "object": "analog-input,1", "unit": "Cel", "quantity": "temperature", "label": "Zulufttemperatur",
    }  # fmt: skip
    assert point_table(FAN) == {
        "object": "binary-input,2", "kind": "state", "label": "B'N'AHU1'Vent",
        "states": {"0": "Aus", "1": "Ein"},
    }  # fmt: skip
    assert point_table(MODE)["states"] == {"1": "Auto", "3": "Hand"}


@pytest.mark.parametrize(
    ("unit", "quantity"), [(48, None), (19, None), (98, None), (29, "relative_humidity")]
)
def test_a_quantity_is_said_only_where_the_unit_leaves_no_doubt(unit: int, quantity: str | None) -> None:
    one = ObjectFacts(type="analog-value", instance=1, name="x", unit=unit)
    assert point_table(one).get("quantity") == quantity


def test_an_accumulator_counts_in_its_scale_and_begins_again_after_its_highest_number() -> None:
    one = ObjectFacts(type="accumulator", instance=1, name="x", unit=19, scale=0.1, maximum=999999.0)
    made = point_table(one)
    assert (made["kind"], made["scale"], made["rollover"]) == ("counter", 0.1, 100000.0)


def test_what_only_a_person_can_decide_is_told() -> None:
    objects = (
        ObjectFacts(type="analog-value", instance=1, name="Last", unit=41),
        ObjectFacts(type="analog-value", instance=2, name="Energie", unit=19),
        ObjectFacts(type="accumulator", instance=3, name="Zaehler", unit=19),
        SUPPLY,
    )
    device = DeviceFacts(instance=1, objects=objects)
    made = device_table(device, ("*",), events=True)
    assert list(remarks(device, made["points"])) == [
        'no UCUM code for "tons": say the unit of last',
        'if it is a reading that only grows, write kind = "counter": energie',
        "what a count stands for is not told: write the scale of zaehler",
    ]


def test_points_that_may_tell_about_few_people_are_pointed_out() -> None:
    objects = (
        ObjectFacts(type="analog-input", instance=1, name="EG Büro 12 Temp", unit=62),
        ObjectFacts(type="binary-input", instance=2, name="EG Flur Präsenz"),
        ObjectFacts(type="analog-input", instance=3, name="UG Rücklauf", unit=62),
    )
    device = DeviceFacts(instance=1, objects=objects)
    [said] = remarks(device, device_table(device, ())["points"])
    assert said == (
        'if few people can be told by it, write scope = "workspace" or "household": '
        "eg_buero_12_temp, eg_flur_praesenz"
    )


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ((), ["zul_temp", "vent", "ba"]),
        (("*temp*",), ["zul_temp"]),
        (("*TEMP",), ["zul_temp"]),
        (("zuluft*",), ["zul_temp"]),
        (("*ahu1*", "!*vent"), ["zul_temp", "ba"]),
        (("!*",), []),
        (("binary-*",), ["vent"]),
        (("nothing",), []),
        (("[a-z]*",), []),
    ],
)
def test_points_are_chosen_by_name_description_or_object(patterns: tuple[str, ...], names: list[str]) -> None:
    assert list(table(SUPPLY, FAN, MODE, patterns=patterns)["points"]) == names


def test_choosing_fewer_points_changes_no_name() -> None:
    everything = table(SUPPLY, FAN, MODE)["points"]
    fewer = table(SUPPLY, FAN, MODE, patterns=("*temp*",))["points"]
    assert fewer.items() <= everything.items()


def test_each_point_may_have_its_event_state_beside_it() -> None:
    taken = ObjectFacts(type="analog-input", instance=9, name="B'N'AHU1'ZulTempEvent", unit=62)
    made = table(SUPPLY, taken, events=True)["points"]
    assert list(made) == ["temp", "temp_event_", "temp_event", "temp_event_event"]
    event = made["temp_event_"]
    assert (event["object"], event["property"], event["kind"]) == ("analog-input,1", "event-state", "state")
    assert event["states"]["2"] == "offnormal"


def test_objects_whose_value_is_no_number_are_left_out() -> None:
    made = table(ObjectFacts(type="schedule", instance=1, name="x"), SUPPLY)
    assert [one["object"] for one in made["points"].values()] == ["analog-input,1"]
    assert chosen(SUPPLY, "zul_temp", ())


texts = st.text(max_size=30)
objects = st.builds(
    ObjectFacts,
    type=st.sampled_from([*POLLED, "schedule", "204"]),
    instance=st.integers(0, 4194302),
    name=texts,
    description=texts,
    unit=st.none() | st.sampled_from(sorted(units.UNITS)),
    states=st.lists(texts, max_size=4).map(tuple),
    scale=st.none() | st.sampled_from([1.0, 0.1, 1e-12, 1e12]),
    maximum=st.none() | st.integers(0, 1 << 32).map(float),
)


@given(st.lists(objects, max_size=6, unique_by=lambda one: one.id), st.booleans())
def test_whatever_a_device_says_a_driver_takes_the_table(some: list[ObjectFacts], events: bool) -> None:
    made = table(*some, events=events)
    device = msgspec.convert(made, BacnetDevice, dec_hook=decode_hook)
    assert all(known(point.unit) for point in device.points.values())
    assert len(device.described(None)) == len(made["points"])
