"""Bytes become numbers, or the reason why there are none."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.duration import Duration
from drivers.modbus.codec import _known, bit_at, decoder, shared_decoder, words
from drivers.modbus.point import WORDS, ByteOrder, ModbusPoint, Sentinel, Type

FORMATS = {
    "u16": ">H",
    "i16": ">h",
    "u32": ">I",
    "i32": ">i",
    "u64": ">Q",
    "i64": ">q",
    "f16": ">e",
    "f32": ">f",
    "f64": ">d",
}
ORDERS: tuple[ByteOrder, ...] = ("ABCD", "CDAB", "BADC", "DCBA")


@pytest.mark.parametrize(
    ("order", "wire"),
    [("ABCD", "4366199a"), ("CDAB", "199a4366"), ("BADC", "66439a19"), ("DCBA", "9a196643")],
)
def test_the_four_byte_orders_give_the_same_float(order: ByteOrder, wire: str) -> None:
    decode = decoder(ModbusPoint(addr=0, type="f32", byte_order=order))
    value, why = decode(bytes.fromhex(wire))
    assert value == pytest.approx(230.1, rel=1e-6)
    assert not why


@pytest.mark.parametrize(
    ("order", "wire"),
    [
        ("ABCD", "0001030405060708"),
        ("CDAB", "0708050603040001"),
        ("BADC", "0100040306050807"),
        ("DCBA", "0807060504030100"),
    ],
)
def test_the_four_byte_orders_hold_for_64_bits(order: ByteOrder, wire: str) -> None:
    decode = decoder(ModbusPoint(addr=0, type="u64", byte_order=order))
    assert decode(bytes.fromhex(wire)) == (0x0001030405060708, "")


@given(st.sampled_from(sorted(FORMATS)), st.sampled_from(ORDERS), st.data())
def test_whatever_a_device_packs_comes_back(kind: Type, order: ByteOrder, data: st.DataObject) -> None:
    raw = data.draw(st.binary(min_size=2 * WORDS[kind], max_size=2 * WORDS[kind]))
    value, why = decoder(ModbusPoint(addr=0, type=kind, byte_order=order, sentinel="none"))(
        arranged(raw, order)
    )
    (expected,) = struct.unpack(FORMATS[kind], raw)
    if isinstance(expected, float) and not math.isfinite(expected):
        assert (value, why) == (None, "not_available")
    else:
        assert (value, why) == (float(expected), "")


@pytest.mark.parametrize(
    ("kind", "sentinel", "wire", "available"),
    [
        ("u16", "sunspec", "ffff", False),
        ("i16", "sunspec", "8000", False),
        ("i16", "sunspec", "ffff", True),
        ("u32", "sunspec", "ffffffff", False),
        ("u32", "sunspec", "0000ffff", True),  # the 16-bit mark within 32 bits is a number
        ("i32", "sunspec", "80000000", False),
        ("u64", "sunspec", "ffffffffffffffff", False),
        ("i64", "sunspec", "8000000000000000", False),
        ("i32", "highest", "7fffffff", False),
        ("i32", "highest", "80000000", True),
        ("u32", "highest", "ffffffff", False),
        ("u16", "none", "ffff", True),
        ("f32", "none", "7fc00000", False),
        ("f32", "none", "ff800000", False),
        ("f64", "sunspec", "7ff8000000000000", False),
        ("f16", "none", "7e00", False),
        ("bcd16", "sunspec", "ffff", False),
    ],
)
def test_what_means_not_available_depends_on_type_and_width(
    kind: Type, sentinel: Sentinel, wire: str, *, available: bool
) -> None:
    value, why = decoder(ModbusPoint(addr=0, type=kind, sentinel=sentinel))(bytes.fromhex(wire))
    assert (value is not None) == available
    assert why == ("" if available else "not_available")


@pytest.mark.parametrize(
    ("kind", "order", "wire", "decoded"),
    [
        ("u24e8", "ABCD", "fd01e240", (123.456, "")),
        ("i24e8", "ABCD", "fdfe1dc0", (-123.456, "")),
        ("u24e8", "ABCD", "fdfe1dc0", (16653.76, "")),
        ("i24e8", "CDAB", "1dc0fdfe", (-123.456, "")),
        ("u24e8", "ABCD", "02000007", (700, "")),
        ("i24e8", "ABCD", "00ffffff", (-1, "")),
        ("u24e8", "ABCD", "ffffffff", (None, "not_available")),
        ("i24e8", "ABCD", "80000000", (None, "not_available")),
        ("i24e8", "ABCD", "0b000001", (None, "malformed")),
        ("u24e8", "ABCD", "f5000001", (None, "malformed")),
    ],
)
def test_a_decimal_number_carries_its_power_of_ten(
    kind: Type, order: ByteOrder, wire: str, decoded: tuple[float | None, str]
) -> None:
    assert decoder(ModbusPoint(addr=0, type=kind, byte_order=order))(bytes.fromhex(wire)) == decoded


def test_a_points_own_nan_values_count_too() -> None:
    decode = decoder(ModbusPoint(addr=0, type="i16", nan=(0x7FFE,)))
    assert decode(b"\x7f\xfe") == (None, "not_available")
    assert decode(b"\x80\x00") == (None, "not_available")
    assert decode(b"\x7f\xfd") == (0x7FFD, "")


@pytest.mark.parametrize(
    ("raw", "scale", "offset", "value"),
    [
        (2301, 0.1, 0, 230.1),
        (1151, 0.01, 0, 11.51),
        (7, 10, 0, 70),
        (3, 0.3, 0, 0.9),
        (250, 0.1, -40, -15),
        (5, -0.5, 0, -2.5),
        (215, 1, -40, 175),
        (7, 2, 0, 14),
        (7, 2, 5, 19),
    ],
)
def test_scaling_gives_the_decimal_number_that_was_meant(
    raw: int, scale: float, offset: float, value: float
) -> None:
    decoded, _ = decoder(ModbusPoint(addr=0, scale=scale, offset=offset))(raw.to_bytes(2, "big"))
    assert decoded == pytest.approx(value, rel=1e-15)
    assert scale == 0.3 or decoded == value


def test_bcd_digits_are_read_as_digits_and_others_refused() -> None:
    assert decoder(ModbusPoint(addr=0, type="bcd16"))(b"\x12\x34") == (1234, "")
    assert decoder(ModbusPoint(addr=0, type="bcd32", byte_order="CDAB"))(b"\x56\x78\x12\x34") == (
        12345678,
        "",
    )
    assert decoder(ModbusPoint(addr=0, type="bcd16"))(b"\x1a\x34") == (None, "malformed")


def test_sixteen_bcd_digits_are_one_number() -> None:
    assert decoder(ModbusPoint(addr=0, type="bcd64"))(bytes.fromhex("0000012345678901")) == (12345678901, "")


def test_a_field_of_bits_is_a_number_of_its_own() -> None:
    decode = decoder(ModbusPoint(addr=0, type="bit", bit=4, bits=3))
    assert decode(b"\x00\x5f") == (5, "")
    assert decoder(ModbusPoint(addr=0, type="bit", bit=8, bits=8))(b"\xfe\x01") == (254, "")


@pytest.mark.parametrize(("order", "wire"), [("ABCD", "00020000"), ("CDAB", "00000002")])
def test_the_17th_bit_of_two_registers_is_found_in_either_word_order(order: ByteOrder, wire: str) -> None:
    point = ModbusPoint(addr=0, type="bit32", bit=17, byte_order=order)
    assert decoder(point)(bytes.fromhex(wire)) == (1, "")
    assert decoder(point)(bytes.fromhex("00010000")) == (0, "")


def test_codes_stand_for_values_and_an_unknown_one_is_no_value() -> None:
    decode = decoder(ModbusPoint(addr=0, type="i16", codes={"3": 1, "-2": 0}, scale=0.1))
    assert decode(b"\x00\x03") == (1, "")
    assert decode(b"\xff\xfe") == (0, "")
    assert decode(b"\x00\x04") == (None, "unknown_code")
    assert decode(b"\x80\x00") == (None, "not_available")


@pytest.mark.parametrize(
    ("keys", "wire", "decoded"),
    [
        ({"addr": 5, "scale_addr": 8}, "0915 0000 0000 ffff", (232.5, "")),
        ({"addr": 8, "scale_addr": 5}, "ffff 0000 0000 0915", (232.5, "")),
        ({"addr": 5, "scale_addr": 7, "type": "i32", "byte_order": "CDAB"}, "e240 0001 0002", (12345600, "")),
        ({"addr": 5, "scale_addr": 6, "byte_order": "BADC"}, "1509 feff", (23.25, "")),
        ({"addr": 5, "scale_addr": 6, "scale": 0.001}, "0915 0001", (23.25, "")),
        ({"addr": 5, "scale_addr": 6}, "0915 8000", (None, "not_available")),
        ({"addr": 5, "scale_addr": 6}, "ffff ffff", (None, "not_available")),
        ({"addr": 5, "scale_addr": 6}, "0915 000b", (None, "malformed")),
    ],
)
def test_a_value_and_its_power_of_ten_are_read_together(
    keys: dict[str, Any], wire: str, decoded: tuple[float | None, str]
) -> None:
    point = ModbusPoint(**keys)
    assert point.words == len(wire.split())
    assert decoder(point)(bytes.fromhex(wire)) == decoded


def test_a_power_of_ten_that_changes_changes_the_value_at_once() -> None:
    decode = decoder(ModbusPoint(addr=0, scale_addr=1))
    assert [decode(bytes.fromhex(f"0915 {power}"))[0] for power in ("0000", "ffff", "0001", "ffff")] == [
        2325, 232.5, 23250, 232.5,
    ]  # fmt: skip


def test_a_bit_of_a_register_is_zero_or_one() -> None:
    assert decoder(ModbusPoint(addr=0, type="bit", bit=3))(b"\x00\x08") == (1, "")
    assert decoder(ModbusPoint(addr=0, type="bit", bit=3))(b"\xff\xf7") == (0, "")
    assert decoder(ModbusPoint(addr=0, type="bool"))(b"\xff\xff") == (1, "")


def test_coils_are_counted_from_the_lowest_bit_of_the_first_byte() -> None:
    decode = decoder(ModbusPoint(addr=0, table="coil", type="bool"))
    assert [decode(bit_at(b"\x06\x81", index))[0] for index in (0, 1, 2, 8, 9, 15)] == [0, 1, 1, 1, 0, 1]


def test_raw_words_are_shown_register_by_register() -> None:
    assert words(bytes.fromhex("43661999")) == "4366 1999"
    assert words(b"\x05") == "05", "bits come by the byte"


def test_a_value_that_grows_beyond_every_number_is_none() -> None:
    decode = decoder(ModbusPoint(addr=0, type="f64", scale=10))
    assert decode(struct.pack(">d", 1.7e308)) == (None, "not_finite")
    assert decode(struct.pack(">d", 1.5)) == (15.0, "")


@pytest.mark.parametrize(("power", "value"), [(10, 7e10), (-10, 7e-10), (0, 7.0), (11, None), (-11, None)])
def test_powers_of_ten_reach_as_far_as_their_specification_and_no_further(
    power: int, value: float | None
) -> None:
    beside = decoder(ModbusPoint(addr=0, scale_addr=1))(struct.pack(">Hh", 7, power))
    within = decoder(ModbusPoint(addr=0, type="u24e8"))(struct.pack(">bBH", power, 0, 7))
    assert beside == within == (value, "" if value else "malformed")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ["i16", "u32", "i32", "i64"])
def test_not_available_is_known_in_every_order(kind: Type, order: ByteOrder) -> None:
    size = 2 * WORDS[kind]
    marks = {"i": b"\x80" + bytes(size - 1), "u": b"\xff" * size}
    own = bytes(range(1, size + 1))
    decode = decoder(ModbusPoint(addr=0, type=kind, byte_order=order, nan=(int.from_bytes(own, "big"),)))
    assert decode(arranged(marks[kind[0]], order)) == (None, "not_available")
    assert decode(arranged(own, order)) == (None, "not_available")
    assert decode(arranged(bytes(size), order)) == (0, "")


def test_points_whose_bytes_mean_the_same_share_a_decoder_and_no_others() -> None:
    alike: list[dict[str, Any]] = [
        {"addr": 400}, {"table": "input"}, {"addressing": "one"}, {"every": Duration(5)}, {"group": "g"},
        {"unit": "kW"}, {"kind": "counter"}, {"quantity": "q"}, {"scope": "household"}, {"resolution": 1.0},
        {"minimum": 1.0}, {"maximum": 1.0}, {"rollover": 1.0}, {"label": "l"}, {"states": {"1": "on"}},
    ]  # fmt: skip
    other: list[dict[str, Any]] = [
        {"type": "u32"}, {"byte_order": "CDAB"}, {"codes": {"1": 2.0}}, {"scale": 0.1}, {"offset": 1.0},
        {"sentinel": "none"}, {"nan": (7,)}, {"scale_addr": 12}, {"scale_addr": 13}, {"scale_addr": 9},
        {"type": "bit32", "bit": 1}, {"type": "bit32", "bit": 1, "bits": 2},
    ]  # fmt: skip
    said = {key for one in (*alike, *other) for key in one}
    assert said == set(ModbusPoint.__struct_fields__), "decide whether a new key matters to the decoder"
    plain: dict[str, Any] = {"addr": 10, "type": "i32"}
    own = shared_decoder(ModbusPoint(**plain))
    assert all(shared_decoder(ModbusPoint(**plain | more)) is own for more in alike)
    others = [shared_decoder(ModbusPoint(**plain | more)) for more in other]
    assert len({id(one) for one in (own, *others)}) == 1 + len(other)
    assert shared_decoder(ModbusPoint(addr=110, type="i32", scale_addr=112)) in others


def arranged(raw: bytes, order: ByteOrder) -> bytes:
    """Put highest-first bytes on the wire in *order*, register by register, the slow and plain way."""
    registers = [raw[i : i + 2] for i in range(0, len(raw), 2)]
    if order in ("CDAB", "DCBA"):
        registers.reverse()
    if order in ("BADC", "DCBA"):
        registers = [one[::-1] for one in registers]
    return b"".join(registers)


def test_the_memory_of_decoders_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.modbus.codec._MOST_KNOWN", 2)
    _known.clear()
    for scale in (1.0, 2.0, 3.0, 4.0, 5.0):
        point = ModbusPoint(addr=1, scale=scale)
        assert shared_decoder(point)(b"\0\3") == (3 * scale, "")
        assert shared_decoder(ModbusPoint(addr=9, scale=scale)) is shared_decoder(point)
        assert len(_known) <= 2
