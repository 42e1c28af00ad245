"""Names of points are made of what people called things: readable, unique, and the same every time."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from drivers.bacnet.facts import DeviceFacts, ObjectFacts
from drivers.bacnet.kinds import POLLED
from drivers.bacnet.naming import device_name, point_names


def named(*names: str, device: str = "") -> list[str]:
    objects = tuple(ObjectFacts(type="analog-input", instance=n, name=name) for n, name in enumerate(names))
    return list(point_names(DeviceFacts(instance=1, name=device, objects=objects)).values())


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("Supply Air Temp", "supply_air_temp"),
        ("ZulTemp", "zul_temp"),
        ("VentBM", "vent_bm"),
        ("RLT01ZulTemp", "rlt01_zul_temp"),
        ("kWh total", "kwh_total"),
        ("CO2-Wert", "co2_wert"),
        ("PM2.5", "pm2_5"),
        ("TempAussen1", "temp_aussen_1"),
        ("Büro Süd Größe", "buero_sued_groesse"),
        ("ÜBERSTRÖMVENTIL", "ueberstroemventil"),
        ("Åbo Førsyning Œuvre", "abo_foersyning_oeuvre"),
        ("Kiertopumppu käy", "kiertopumppu_kaey"),
        ("Żółć", "zolc"),
        ("Температура подачи", "temperatura_podachi"),
        ("Θερμοκρασία", "thermokrasia"),
        ("室温", "analog_input_0"),
        ("", "analog_input_0"),
    ],
)
def test_a_name_is_spelt_in_small_latin_words(name: str, made: str) -> None:
    assert named(name) == [made]


def test_what_all_names_begin_with_is_left_out_and_something_always_stays() -> None:
    assert named("B'N'ISP01'RLT01'ZulTemp", "B'N'ISP01'RLT01'AblDruck") == ["zul_temp", "abl_druck"]
    assert named("AHU1.Fan", "AHU1.Fan.Speed") == ["fan", "fan_speed"]
    assert named("AHU Temp 1", "AHU Temp 2") == ["temp_1", "temp_2"]


def test_of_a_single_object_the_name_of_its_device_is_left_out() -> None:
    assert named("ISP01.Temp", device="ISP01") == ["temp"]


def test_equal_names_all_get_type_and_number() -> None:
    objects = (
        ObjectFacts(type="analog-input", instance=1, name="Temp"),
        ObjectFacts(type="analog-value", instance=7, name="Temp"),
        ObjectFacts(type="analog-value", instance=8, name="Druck"),
    )
    made = point_names(DeviceFacts(instance=1, objects=objects))
    assert list(made.values()) == ["temp_ai_1", "temp_av_7", "druck"]


def test_a_name_that_only_counts_gives_way_to_the_description() -> None:
    objects = (
        ObjectFacts(type="analog-input", instance=1, name="AI 01", description="Vorlauf"),
        ObjectFacts(type="analog-input", instance=2, name="ANALOG INPUT 2", description="Rücklauf"),
        ObjectFacts(type="analog-input", instance=3, name="AI3"),
    )
    made = point_names(DeviceFacts(instance=1, objects=objects))
    assert list(made.values()) == ["vorlauf", "ruecklauf", "ai3"]


def test_of_a_long_name_the_end_stays() -> None:
    [made] = named("Gebaeude Nord Untergeschoss Technikzentrale Lueftungsanlage Sieben Zulufttemperatur")
    assert made == "lueftungsanlage_sieben_zulufttemperatur"


@pytest.mark.parametrize(
    ("name", "made"),
    [("ISP 01 Büro", "isp-01-buero"), ("", "bacnet-1011"), ("1011", "bacnet-1011"), ("室", "bacnet-1011")],
)
def test_a_device_is_called_as_it_calls_itself(name: str, made: str) -> None:
    assert device_name(DeviceFacts(instance=1011, name=name)) == made


texts = st.text(st.sampled_from("aAbB1.'_ äÖ室"), max_size=8) | st.text(max_size=80)
objects = st.lists(
    st.builds(
        ObjectFacts,
        type=st.sampled_from([*POLLED, "204"]),
        instance=st.integers(0, 5),
        name=texts,
        description=texts,
    ),
    max_size=12,
    unique_by=lambda one: one.id,
)


@given(objects, texts)
def test_names_are_unique_and_fit_whatever_objects_are_called(some: list[ObjectFacts], name: str) -> None:
    device = DeviceFacts(instance=1, name=name, objects=tuple(some))
    made = list(point_names(device).values())
    assert len(set(made)) == len(made) == len(some)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_]{0,62}", one) for one in made)
    assert re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", device_name(device))


@given(objects, st.randoms())
def test_the_order_in_which_a_device_lists_its_objects_changes_no_name(
    some: Sequence[ObjectFacts], chance: random.Random
) -> None:
    device = DeviceFacts(instance=1, objects=tuple(some))
    shuffled = list(some)
    chance.shuffle(shuffled)
    assert point_names(device) == point_names(replace(device, objects=tuple(shuffled)))
