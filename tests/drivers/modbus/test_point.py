"""Points say where they lie, and refuse what no request can reach."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agent.core.driver import CanReplay, Stretch
from agent.core.point import Scope
from agent.core.settings import decode_hook
from drivers.modbus.device import ModbusDevice
from drivers.modbus.point import Addressing, ModbusPoint


@pytest.mark.parametrize(
    ("addressing", "addr", "keys", "place"),
    [
        ("zero", 52, {}, ("holding", 52)),
        ("one", 53, {"table": "input"}, ("input", 52)),
        ("40001", 40053, {}, ("holding", 52)),
        ("40001", 30053, {}, ("input", 52)),
        ("40001", 30053, {"table": "input"}, ("input", 52)),
        ("40001", 465536, {}, ("holding", 65535)),
        ("40001", 17, {"type": "bool"}, ("coil", 16)),
        ("40001", 10017, {"type": "bool"}, ("discrete", 16)),
    ],
)
def test_addresses_count_as_the_manual_does(
    addressing: Addressing, addr: int, keys: dict[str, Any], place: tuple[str, int]
) -> None:
    assert ModbusPoint(addr=addr, **keys).place(addressing) == place


def test_a_points_own_addressing_wins_over_its_devices() -> None:
    assert ModbusPoint(addr=5, addressing="one").place("zero") == ("holding", 4)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"addr": 65535, "type": "u32"}, "address 65535 lies outside of 0 to 65535"),
        ({"addr": 0, "addressing": "one"}, "address 0 lies outside"),
        ({"addr": 20005, "addressing": "40001"}, "begin with 0, 1, 3 or 4"),
        ({"addr": 40000, "addressing": "40001"}, "no 40001-style number"),
        ({"addr": 40001, "addressing": "40001", "table": "input"}, "but table says input"),
        ({"addr": 10001, "addressing": "40001"}, 'a discrete is one bit: write type = "bool"'),
        ({"addr": 1, "table": "coil"}, 'a coil is one bit: write type = "bool"'),
        ({"addr": 1, "type": "bit"}, "a bit number go together"),
        ({"addr": 1, "bit": 3}, "a bit number go together"),
        ({"addr": 1, "type": "bit", "bit": 16}, "they are 0 to 15"),
        ({"addr": 1, "type": "bit32", "bit": 32}, "they are 0 to 31"),
        ({"addr": 1, "type": "bit", "bit": 12, "bits": 5}, "5 bits from bit 12 on do not fit 16 bits"),
        ({"addr": 1, "bits": 4}, "bits are taken of type"),
        ({"addr": 1, "codes": {"on": 1}}, 'whole numbers in quotes, not "on"'),
        ({"addr": 1, "type": "f16", "codes": {"1": 1}}, "codes are for whole numbers"),
        ({"addr": 1, "scale_addr": 1}, "within the value itself"),
        ({"addr": 1, "scale_addr": 5}, "flow takes 5 registers, but max_block is 2"),
        ({"addr": 0, "scale_addr": 1, "addressing": "one"}, "address 0 lies outside"),
        ({"addr": 1, "type": "bit", "bit": 1, "scale_addr": 2}, "a bit has no power of ten"),
        ({"addr": 1, "scale": 0}, "scale is 0"),
        ({"addr": 1, "nan": [0x10000]}, "does not fit u16"),
        ({"addr": 1, "nan": [-1]}, "does not fit u16"),
        ({"addr": 1, "type": "bit", "bit": -1}, "they are 0 to 15"),
        ({"addr": 1, "scale_addr": 2, "codes": {"1": 1}}, "without a power of ten"),
        ({"addr": 1, "type": "u64"}, "flow takes 4 registers, but max_block is 2"),
    ],
)
def test_an_impossible_point_is_refused_with_its_reason(keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=sentence):
        msgspec.convert({"max_block": 2, "points": {"flow": keys}}, ModbusDevice, dec_hook=decode_hook)


@pytest.mark.parametrize(
    "keys",
    [
        {"addr": 1, "type": "bit", "bit": 0},
        {"addr": 1, "type": "bit", "bit": 12, "bits": 4},
        {"addr": 1, "type": "bit32", "bit": 0, "bits": 32},
        {"addr": 1, "nan": [0, 0xFFFF]},
        {"addr": 1, "codes": {"-1": 1}},
    ],
)
def test_a_point_may_use_all_that_its_registers_have(keys: dict[str, Any]) -> None:
    msgspec.convert({"max_block": 2, "points": {"flow": keys}}, ModbusDevice, dec_hook=decode_hook)


def test_points_of_people_are_personal_and_others_are_not() -> None:
    device = ModbusDevice(
        name="flat",
        asset="A-7",
        points={"use": ModbusPoint(addr=0, scope=Scope.HOUSEHOLD), "all": ModbusPoint(addr=1)},
    )
    use, everything = device.described((21.6, 63.1))
    assert (use.name, use.personal, use.every, use.asset) == ("flat.use", True, 10.0, "A-7")
    assert (everything.personal, everything.location) == (False, (21.6, 63.1))


def test_a_point_lies_from_its_value_to_its_power_of_ten() -> None:
    device = ModbusDevice(points={"flow": ModbusPoint(addr=40072, scale_addr=40078)}, addressing="40001")
    [block] = device.blocks()
    assert (block.table, block.start, block.size) == ("holding", 71, 7)
    before = ModbusPoint(addr=40, type="u32", scale_addr=38)
    assert (before.words, before.place("zero")) == (4, ("holding", 38))


def test_recorded_words_are_decoded_without_a_device() -> None:
    point, device = ModbusPoint(addr=30012, type="u32", scale=0.1), ModbusDevice(addressing="40001")
    assert point.replay(device, [Stretch("input", 10, (7, 0, 1234, 9))]) == (123.4, "")
    assert point.replay(device, [Stretch("holding", 10, (7, 0, 1234, 9))]) is None
    assert point.replay(device, [Stretch("input", 10, (7, 0))]) is None
    assert point.replay(device, [Stretch("input", 11, (0xFFFF, 0xFFFF))]) == (None, "not_available")
    assert isinstance(point, CanReplay)
