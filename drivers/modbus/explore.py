"""Guesses what an unknown register means: at its address and beside it, in every order of bytes.

Pure. A manual may count from zero or from one, or by 40001 numbers; it rarely says the order of words. So
each place that comes into question is decoded as every likely type, and what comes out is ranked: by how near
it is to what a person expects, or by what things in a building usually measure. A refusal tells too: no value
begins there.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from agent.core.driver import Guess
from drivers.modbus.codec import decoder, words
from drivers.modbus.identify import text_of
from drivers.modbus.point import WORDS, ByteOrder, ModbusPoint, Table, Type

LONGEST: Final = 16
"""Registers that are read at the address itself, where text may stand."""

COUNTS: Final = (4, 2, 1)
"""Registers that are read elsewhere: the first number that the device gives."""

_TYPES: Final[tuple[Type, ...]] = ("f32", "u16", "i16", "u32", "i32", "f64", "u64", "i64", "bcd32")
_ORDERS: Final[tuple[ByteOrder, ...]] = ("ABCD", "CDAB", "BADC", "DCBA")
_SCALES: Final = (1.0, 0.1, 0.01, 0.001)
_MORE_SCALES: Final = (*_SCALES, 0.0001, 10.0, 100.0, 1000.0)
_TEXT: Final = 4  # letters in a row that are no accident
_FAR: Final = 0.05
_PENALTY: Final = 0.06  # for each step away from what was asked, and from the usual order
_USUAL: Final = (
    (49.5, 50.5, "a mains frequency"),
    (218.0, 242.0, "a mains voltage"),
    (380.0, 420.0, "a voltage between phases"),
    (15.0, 30.0, "a room temperature, or a small number"),
    (59.5, 60.5, "a mains frequency of 60 Hz"),
)


class Place(Struct, frozen=True):
    """An address that comes into question, counted from zero, how far it is from what was asked, and why."""

    table: Table
    start: int
    steps: int
    why: str = ""


class Wanted(Struct, frozen=True):
    """What a person expects to see: a number and its unit, or neither."""

    value: float | None = None
    unit: str = ""


def places(addr: int, tables: Sequence[Table]) -> list[Place]:
    """List the places that *addr*, as somebody found it in a manual, may mean; the likeliest first."""
    found = [
        Place(table, addr + by, abs(by), f"address {'+' if by > 0 else '-'} 1" if by else "")
        for by in (0, -1, 1)
        for table in tables
        if 0 <= addr + by <= 0xFFFF
    ]
    numbered: dict[int, Table] = {3: "input", 4: "holding"}
    for size in (10_000, 100_000):
        table = numbered.get(addr // size)
        if table in tables and table is not None and addr % size:
            found.append(Place(table, addr % size - 1, 1, f"number {addr} read as {addr // size}xxxx"))
    return found


def guesses(read: Sequence[tuple[Place, bytes]], wanted: Wanted) -> list[Guess]:
    """Give everything that the bytes of each place may mean, the likeliest first."""
    found = [guess for place, data in read for guess in _at(place, data, wanted)]
    return sorted(found, key=lambda one: -one.likely)


def _at(place: Place, data: bytes, wanted: Wanted) -> Iterator[Guess]:
    yield from _texts(place, data, wanted)
    for kind in _TYPES:
        size = 2 * WORDS[kind]
        if size > len(data):
            continue
        for order in _ORDERS if size > 2 else ("ABCD", "BADC"):
            yield from _numbers(place, data[:size], kind, order, wanted)


def _numbers(place: Place, data: bytes, kind: Type, order: ByteOrder, wanted: Wanted) -> Iterator[Guess]:
    """Give the one guess of a type and an order, at its best scale."""
    point = ModbusPoint(addr=place.start, table=place.table, type=kind, byte_order=order, sentinel="none")
    raw, _ = decoder(point)(data)
    if raw is None or (kind.startswith("i") and raw >= 0):
        return  # no number; or one that the unsigned type says as well
    if not raw and (kind, order) != ("u16", "ABCD"):
        return  # zero is zero in every type
    scales: tuple[float, ...] = _SCALES if wanted.value is None else _MORE_SCALES
    if wanted.value is None and kind.startswith("f"):
        scales = (1.0,)
    rated = [(_rated(raw * scale, kind, raw, scale, wanted), scale) for scale in scales]
    (likely, why), scale = max(rated, key=lambda one: one[0][0])
    away = _PENALTY * (place.steps + 0.5 * _ORDERS.index(order))
    value = _scaled(raw, scale)
    keys = _keys(place, kind, order, scale, wanted.unit)
    yield Guess(
        where=_where(place), raw=words(data), value=f"{value:.7g}", likely=max(0.0, likely - away),
        why=why, keys=keys,
    )  # fmt: skip


def _rated(value: float, kind: Type, raw: float, scale: float, wanted: Wanted) -> tuple[float, str]:
    """Say how likely *value* is, from 0 to 1, and what speaks for it."""
    shift = abs(math.log10(scale)) * 0.03
    if wanted.value is not None:
        off = abs(value - wanted.value) / max(abs(wanted.value), 1e-9)
        if off <= _FAR:
            return 1.0 - 8 * off - shift, f"{off:.1%} off what is expected"
        return 0.1 * _sober(raw, kind), ""
    for low, high, what in _USUAL[:3] if scale != 1 else _USUAL:
        if low <= value <= high:
            return 0.75 * _sober(raw, kind) + 0.25 - shift, what
    return 0.6 * _sober(raw, kind) - shift - (0.05 if scale != 1 else 0), ""


def _sober(raw: float, kind: Type) -> float:
    """Say how much *raw* looks like a number that somebody wrote, and not like others' bytes."""
    size = abs(raw)
    if kind.startswith("f"):
        if not 1e-3 <= size < 1e7:
            return 0.3 if 1e-6 <= size < 1e10 else 0.0
        return (1.0 if _is_short(raw) else 0.8) if kind == "f32" else 0.5
    if WORDS[kind] == 1:
        return 0.6 if size <= 10_000 else 0.4
    if kind.startswith("bcd"):
        return 0.3
    if size < 0x10000:
        return 0.4  # the other word says it all
    return 0.1 if not raw % 0x10000 else 0.6 if size < 1e8 else 0.3 if size < 2e9 else 0.0


def _is_short(raw: float) -> bool:
    """Say whether a 32-bit number was made of few decimal digits: chance seldom does that."""
    (near,) = struct.unpack(">f", struct.pack(">f", float(f"{raw:.5g}")))
    return bool(near == raw)


def _texts(place: Place, data: bytes, wanted: Wanted) -> Iterator[Guess]:
    orders: tuple[ByteOrder, ...] = ("ABCD", "BADC")
    for order in orders:
        clear = text_of(data, order).partition("?")[0]
        letters = sum(sign.isalnum() for sign in clear)
        if letters < _TEXT or letters <= len(clear) / 2:
            continue
        likely = min(0.95, 0.25 + 0.1 * letters) - _PENALTY * (place.steps + 2 * (order != "ABCD"))
        yield Guess(
            where=_where(place),
            raw=words(data[:8]),
            value=f'"{clear}"',
            likely=max(0.0, likely if wanted.value is None else 0.1 * likely),
            why="a text: for [identify] of a profile, since a sample is a number",
            keys={"addr": place.start, "table": place.table, "text": [clear], "words": len(data) // 2},
        )


def _keys(place: Place, kind: Type, order: ByteOrder, scale: float, unit: str) -> Mapping[str, Any]:
    """Give the point's keys as in TOML, without those that are usual."""
    return {
        "addr": place.start,
        **({"table": place.table} if place.table != "holding" else {}),
        **({"type": kind} if kind != "u16" else {}),
        **({"byte_order": order} if order != "ABCD" else {}),
        **({"scale": scale} if scale != 1 else {}),
        **({"unit": unit} if unit else {}),
    }


def _scaled(raw: float, scale: float) -> float:
    return raw / round(1 / scale) if scale < 1 else raw * scale


def _where(place: Place) -> str:
    return f"{place.table} {place.start}" + (f" ({place.why})" if place.why else "")
