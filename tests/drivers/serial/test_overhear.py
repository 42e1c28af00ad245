"""Listening alone: nobody is recognised in noise, whatever it looks like, and nothing ends it."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.crc import crc
from drivers.modbus.strays import is_foreign
from drivers.serial.overhear import BUS, Ears, Voice
from drivers.serial.propose import proposal
from tests.drivers.serial.telegrams import DSMR_42, told
from tests.drivers.serial.test_fixed import sds011


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_are_taken(pieces: list[bytes]) -> None:
    ears = Ears(is_foreign)
    assert {ears.feed(piece) for piece in pieces} <= {"", BUS, "pms", "sds011", "p1"}
    assert ears.count == sum(map(len, pieces))
    assert all(one.isprintable() for one in ears.lines())


def test_noise_is_nobody() -> None:
    chance = random.Random(7)
    for _ in range(30):
        ears = Ears(is_foreign)
        assert {ears.feed(chance.randbytes(64)) for _ in range(16)} == {""}
        assert not ears.lines()
        assert not ears.bus()


def test_traffic_of_a_bus_is_known_however_it_is_cut() -> None:
    frames = [bytes((unit, 3, 0, 0, 0, 2)) for unit in range(1, 30)]
    traffic = b"".join(frame + crc(frame) for frame in frames)
    for size in (1, 7, 64, len(traffic)):
        ears = Ears(is_foreign)
        assert BUS in [ears.feed(traffic[at : at + size]) for at in range(0, len(traffic), size)]


def test_a_meter_in_the_middle_of_its_telegram_is_not_taken_for_text() -> None:
    telegram = told(DSMR_42)
    ears = Ears(is_foreign)
    assert ears.feed(telegram[300:] + telegram) == "p1"
    other = Ears(is_foreign)
    assert other.feed(b"\xaa" + sds011(1, 2) * 2) == "sds011"


def test_keys_that_would_be_one_name_are_told_apart_or_left_out() -> None:
    lines = ('{"T": 1, "t": 2, "wind-speed": {"max": 3}, "ok": true, "name": "x"}',) * 2
    found = proposal({"path": "/dev/x"}, "/dev/x", Voice("lines", (9600, "8N1"), lines), "line-x")
    assert found is not None
    assert found.device is not None
    points = found.device["points"]
    assert sorted(one["key"] for one in points.values()) == ["T", "t", "wind-speed.max"]
    assert {"t", "wind_speed_max"} <= set(points)


def test_lines_without_numbers_leave_the_points_to_the_person() -> None:
    found = proposal(
        {"path": "/dev/x"}, "/dev/x", Voice("lines", (9600, "8N1"), ("door open", "door shut")), "line-x"
    )
    assert found is not None
    assert (found.device, "write pattern and points" in found.note) == ({}, True)
