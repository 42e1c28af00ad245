"""Turns the bytes of a reply into a number, or into the reason why there is none.

Pure. A value that the device marks as not available never becomes a number: what marks it depends on type
*and* width. Text has no place here: a sample is a number. Source of the order names: ABCD is a value's
bytes from highest to lowest as they stand on the wire (MODBUS sends each register high byte first).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Final

from drivers.modbus.point import BIT_TABLES, WORDS, ModbusPoint, Type

Decoded = tuple[float | None, str]
"""A number and no reason, or None and the reason."""

Decoder = Callable[[bytes], Decoded]
"""Takes exactly the bytes of one value, in the order of the wire."""

NOT_AVAILABLE: Final[Decoded] = (None, "not_available")
MALFORMED: Final[Decoded] = (None, "malformed")
NOT_FINITE: Final[Decoded] = (None, "not_finite")
UNKNOWN_CODE: Final[Decoded] = (None, "unknown_code")

_FORMATS: Final[dict[Type, str]] = {
    "u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "u64": ">Q", "i64": ">q",
    "f16": ">e", "f32": ">f", "f64": ">d", "bool": ">H", "bit": ">H", "bit32": ">I",
    "bcd16": ">H", "bcd32": ">I", "bcd64": ">Q",
}  # fmt: skip
_LARGEST: Final[dict[Type, float]] = {"f32": 3.5e38, "f64": math.inf}
_MARGIN: Final = 4.0
_DECIMAL: Final = ("u24e8", "i24e8")
_EXACT: Final = 1e-9
_MOST_POWER: Final = 10  # SunSpec: a scale factor is -10 to 10
_NO_POWER: Final = -0x8000
_MOST_KNOWN: Final = 4096


def decoder(point: ModbusPoint) -> Decoder:
    """Prepare the decoding of *point*, so that the work per sample is small."""
    if point.table in BIT_TABLES or point.type in ("bool", "bit", "bit32"):
        return _bit_decoder(point)
    raw = _raw_decoder(point)
    if point.scale_addr is not None:
        return _with_power(point, raw)
    if point.codes or not _stays_finite(point):
        finish = _finisher(point)

        def decode_seldom(data: bytes) -> Decoded:
            value, reason = raw(data)
            return (value, reason) if value is None else finish(value)

        return decode_seldom
    scale = _scaler(point.scale, point.offset, 0)

    def decode(data: bytes) -> Decoded:  # what nearly all points are: a call less than by _finisher
        value, reason = raw(data)
        return (value, reason) if value is None else (scale(value), "")

    return decode


def shared_decoder(point: ModbusPoint) -> Decoder:
    """Give the decoder of *point*: one for all points whose bytes mean the same, wherever they stand."""
    power_at = None if point.scale_addr is None else point.scale_addr - point.addr
    codes = tuple(point.codes.items())
    form = (point.table in BIT_TABLES, point.type, point.byte_order, point.bit, point.bits, point.sentinel)
    key = (*form, point.nan, codes, point.scale, point.offset, power_at)
    if key not in _known:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = decoder(point)
    return _known[key]


_known: Final[dict[tuple[object, ...], Decoder]] = {}


def bit_at(data: bytes, index: int) -> bytes:
    """Give bit *index* of a coil or discrete-input reply in the form that a decoder takes."""
    return b"\0\1" if data[index // 8] >> index % 8 & 1 else b"\0\0"


def words(data: bytes) -> str:
    """Write raw bytes for people, register by register: ``4366 1999``."""
    return data.hex(" ", -2)


def _raw_decoder(point: ModbusPoint) -> Decoder:
    """Give bytes -> the number that stands there, before any scale."""
    if point.type in _DECIMAL:
        return _decimal_decoder(point)
    unpack, arrange = struct.Struct(_FORMATS[point.type]).unpack, _arranger(point)
    size = 2 * WORDS[point.type]
    # as they stand on the wire: each of the four orders undoes itself
    absent = frozenset(arrange(one.to_bytes(size, "big")) for one in _sentinels(point))
    is_bcd, is_float = point.type.startswith("bcd"), point.type.startswith("f")
    is_ordered = point.byte_order == "ABCD"

    def decode(data: bytes) -> Decoded:
        if absent and data in absent:
            return NOT_AVAILABLE
        ordered = data if is_ordered else arrange(data)
        value: float = unpack(ordered)[0]
        if is_float and not math.isfinite(value):
            return NOT_AVAILABLE
        if is_bcd:
            digits = ordered.hex()
            if not digits.isdecimal():
                return MALFORMED
            value = int(digits)
        return value, ""

    return decode


def _decimal_decoder(point: ModbusPoint) -> Decoder:
    """Give bytes -> 24 bits times ten to the power that stands in the highest byte."""
    arrange, absent = _arranger(point), frozenset(_sentinels(point))
    is_signed = point.type == "i24e8"

    def decode(data: bytes) -> Decoded:
        ordered = arrange(data)
        if int.from_bytes(ordered, "big") in absent:
            return NOT_AVAILABLE
        power = int.from_bytes(ordered[:1], "big", signed=True)
        if abs(power) > _MOST_POWER:
            return MALFORMED
        number = int.from_bytes(ordered[1:], "big", signed=is_signed)
        return number * 10**power if power >= 0 else number / 10**-power, ""

    return decode


def _with_power(point: ModbusPoint, raw: Decoder) -> Decoder:
    """Decode a value that is read together with the register of its power of ten."""
    assert point.scale_addr is not None
    first = min(point.addr, point.scale_addr)
    at, power_at = 2 * (point.addr - first), 2 * (point.scale_addr - first)
    end = at + 2 * WORDS[point.type]
    is_swapped = point.byte_order in ("BADC", "DCBA")
    known: dict[int, Callable[[float], Decoded]] = {}  # a device has one or two; each is prepared once

    def decode(data: bytes) -> Decoded:
        register = data[power_at : power_at + 2]
        power = int.from_bytes(register, "little" if is_swapped else "big", signed=True)
        value, reason = raw(data[at:end])
        if value is None:
            return value, reason
        if power == _NO_POWER:
            return NOT_AVAILABLE
        if abs(power) > _MOST_POWER:
            return MALFORMED
        if power not in known:
            known[power] = _finisher(point, power)
        return known[power](value)

    return decode


def _bit_decoder(point: ModbusPoint) -> Decoder:
    arrange, finish = _arranger(point), _finisher(point)
    shift, mask = point.bit or 0, (1 << point.bits) - 1
    is_whole = point.bit is None  # a bool: anything but zero

    def decode(data: bytes) -> Decoded:
        number = int.from_bytes(arrange(data), "big")
        return finish(float(bool(number) if is_whole else number >> shift & mask))

    return decode


def _arranger(point: ModbusPoint) -> Callable[[bytes], bytes]:
    """Give the function that brings wire order to highest byte first."""
    match point.byte_order:
        case "ABCD":
            return bytes
        case "DCBA":
            return lambda data: data[::-1]
        case "BADC":
            return _swap_bytes
        case "CDAB" if WORDS[point.type] == 2:
            return lambda data: data[2:] + data[:2]
        case "CDAB":
            return lambda data: _swap_bytes(data[::-1])


def _swap_bytes(data: bytes) -> bytes:
    swapped = bytearray(data)
    swapped[0::2], swapped[1::2] = data[1::2], data[0::2]
    return bytes(swapped)


def _finisher(point: ModbusPoint, power: int = 0) -> Callable[[float], Decoded]:
    """Give raw number -> value: what its code stands for, or the number in the unit."""
    if point.codes:
        codes = {int(code): float(value) for code, value in point.codes.items()}
        return lambda raw: (codes[int(raw)], "") if int(raw) in codes else UNKNOWN_CODE
    scale = _scaler(point.scale, point.offset, power)
    if _stays_finite(point, power):
        return lambda raw: (scale(raw), "")

    def finish(raw: float) -> Decoded:
        value = scale(raw)
        return (value, "") if math.isfinite(value) else NOT_FINITE

    return finish


def _stays_finite(point: ModbusPoint, power: int = 0) -> bool:
    """Say whether the largest raw value is still a number in the unit."""
    largest = _LARGEST.get(point.type, 1e27)
    return math.isfinite(largest * point.scale * 10.0**power * _MARGIN + abs(point.offset) * _MARGIN)


def _scaler(scale: float, offset: float, power: int) -> Callable[[float], float]:
    """Give raw -> unit. Scale 0.1 divides by 10, so that 2301 becomes 230.1 and not 230.10000000000002."""
    scale *= 10.0**power
    if scale == 1 and not offset:
        return float
    divisor = round(1 / scale)
    if abs(divisor * scale - 1) < _EXACT:
        return lambda raw: raw / divisor + offset
    return lambda raw: raw * scale + offset


def _sentinels(point: ModbusPoint) -> tuple[int, ...]:
    """List the raw patterns, as unsigned numbers of full width, that stand for "not available"."""
    bits = 16 * WORDS[point.type]
    ones, top = (1 << bits) - 1, 1 << bits - 1
    usual: tuple[int, ...] = ()
    if point.sentinel != "none" and not point.type.startswith("f"):
        signed = point.type.startswith("i")
        lowest_or_highest = top if point.sentinel == "sunspec" else top - 1
        usual = (lowest_or_highest if signed else ones,)
    return (*usual, *point.nan)
