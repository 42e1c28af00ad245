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

from drivers.modbus.point import BIT_TABLES, ModbusPoint, Type

Decoded = tuple[float | None, str]
"""A number and no reason, or None and the reason."""

Decoder = Callable[[bytes], Decoded]
"""Takes exactly the bytes of one value, in the order of the wire."""

NOT_AVAILABLE: Final[Decoded] = (None, "not_available")
MALFORMED: Final[Decoded] = (None, "malformed")

_FORMATS: Final[dict[Type, str]] = {
    "u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "u64": ">Q", "i64": ">q", "f32": ">f", "f64": ">d",
    "bool": ">H", "bit": ">H", "bcd16": ">H", "bcd32": ">I",
}  # fmt: skip
_EXACT: Final = 1e-9


def decoder(point: ModbusPoint) -> Decoder:
    """Prepare the decoding of *point*, so that the work per sample is small."""
    if point.table in BIT_TABLES or point.type in ("bool", "bit"):
        return _bit_decoder(point)
    unpack = struct.Struct(_FORMATS[point.type]).unpack
    arrange, finish = _arranger(point), _scaler(point)
    absent = frozenset(_sentinels(point))
    is_bcd, is_float = point.type.startswith("bcd"), point.type.startswith("f")

    def decode(data: bytes) -> Decoded:
        ordered = arrange(data)
        if absent and int.from_bytes(ordered, "big") in absent:
            return NOT_AVAILABLE
        value: float = unpack(ordered)[0]
        if is_float and not math.isfinite(value):
            return NOT_AVAILABLE
        if is_bcd:
            digits = ordered.hex()
            if not digits.isdecimal():
                return MALFORMED
            value = int(digits)
        return finish(value), ""

    return decode


def bit_at(data: bytes, index: int) -> bytes:
    """Give bit *index* of a coil or discrete-input reply in the form that a decoder takes."""
    return b"\0\1" if data[index // 8] >> index % 8 & 1 else b"\0\0"


def words(data: bytes) -> str:
    """Write raw bytes for people, register by register: ``4366 1999``."""
    return data.hex(" ", -2) if len(data) > 1 else data.hex()


def _bit_decoder(point: ModbusPoint) -> Decoder:
    mask, swap = 0xFFFF if point.bit is None else 1 << point.bit, point.byte_order in ("BADC", "DCBA")
    finish = _scaler(point)

    def decode(data: bytes) -> Decoded:
        return finish(float(bool(int.from_bytes(data, "little" if swap else "big") & mask))), ""

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
        case "CDAB":
            return lambda data: _swap_bytes(data[::-1])


def _swap_bytes(data: bytes) -> bytes:
    swapped = bytearray(data)
    swapped[0::2], swapped[1::2] = data[1::2], data[0::2]
    return bytes(swapped)


def _scaler(point: ModbusPoint) -> Callable[[float], float]:
    """Give raw -> unit. Scale 0.1 divides by 10, so that 2301 becomes 230.1 and not 230.10000000000002."""
    scale, offset = point.scale, point.offset
    if scale == 1 and not offset:
        return float
    divisor = round(1 / scale) if abs(scale) < 1 else 0
    if divisor and abs(divisor * scale - 1) < _EXACT:
        return lambda raw: raw / divisor + offset
    return lambda raw: raw * scale + offset


def _sentinels(point: ModbusPoint) -> tuple[int, ...]:
    """List the raw patterns, as unsigned numbers of full width, that stand for "not available"."""
    bits = 16 * point.words
    ones, top = (1 << bits) - 1, 1 << bits - 1
    usual: tuple[int, ...] = ()
    if point.sentinel != "none" and not point.type.startswith("f"):
        signed = point.type.startswith("i")
        lowest_or_highest = top if point.sentinel == "sunspec" else top - 1
        usual = (lowest_or_highest if signed else ones,)
    return (*usual, *point.nan)
