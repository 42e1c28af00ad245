"""Sparkplug B payloads: metrics with a name, a type, a time and a value; version 3.0 of its specification.

What waits in the outbox has metrics only. The sequence number, the time of sending and the mark of history
are put on when it leaves, because only that moment knows them.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from msgspec import Struct

from agent.encodings._protobuf import BYTES, VARINT, block, double, parts, whole

INT64: Final = (
    4  # for every whole number: Tahu for Node takes smaller types from another field than others do
)
DOUBLE: Final = 10
BOOLEAN: Final = 11
STRING: Final = 12

# fields of a payload, of a metric, of a set of properties, and of one of its values
_TIME, _METRIC, _SEQ = 1, 2, 3
_NAME, _ALIAS, _AT, _TYPE, _HISTORY, _NULL, _PROPERTIES = 1, 2, 3, 4, 5, 7, 9
_LONG, _DOUBLE, _BOOL, _STRING = 11, 13, 14, 15
_KEYS, _VALUES = 1, 2
_VALUE_TYPE, _VALUE_STRING = 1, 8
_LONGEST: Final = (1 << 48) - 1


class Metric(Struct, frozen=True):
    """One value; ``at`` is UTC seconds (None: the moment of sending), ``unit`` is told in births."""

    name: str
    kind: int
    value: float | str | bool | None = None
    at: float | None = None
    unit: str = ""
    alias: int | None = None


def alias_of(device: str, name: str) -> int:
    """Give the alias of a metric: made of its name, so that no other plan gives it to another metric.

    It has 48 bits: whole in every language's numbers, and two of 10,000 metrics meet once in 5 million sites.
    """
    return int.from_bytes(sha256(f"{device}/{name}".encode()).digest()[:6], "big")


def metrics_of(metrics: Iterable[Metric], *, named: bool = True, typed: bool = True) -> bytes:
    """Write metrics; without names where they have an alias, without types where a birth has told them."""
    return b"".join(block(_METRIC, _metric(one, named=named, typed=typed)) for one in metrics)


def payload(body: bytes, *, at: float, seq: int | None, history: bool = False) -> bytes:
    """Complete what leaves now: its time, its number, and whether it is history."""
    made = [whole(_TIME, _ms(at))]
    for number, kind, content, raw in parts(body):
        if number == _METRIC and kind == BYTES and isinstance(content, bytes):
            made.append(block(_METRIC, _dated(content, at, history=history)))
        else:
            made.append(raw)
    if seq is not None:
        made.append(whole(_SEQ, seq))
    return b"".join(made)


def asks_for_rebirth(body: bytes) -> bool:
    """Say whether a command is the one that we obey; whatever else it may hold is ignored."""
    try:
        for number, _, content, _ in parts(body):
            if number == _METRIC and isinstance(content, bytes):
                found = {field: value for field, _, value, _ in parts(content)}
                if found.get(_NAME) == REBIRTH.encode() and found.get(_BOOL):
                    return True
    except ValueError:
        return False
    return False


REBIRTH: Final = "Node Control/Rebirth"


def _metric(metric: Metric, *, named: bool, typed: bool) -> bytes:
    made = []
    if named or metric.alias is None:
        made.append(block(_NAME, metric.name))
    if metric.alias is not None:
        made.append(whole(_ALIAS, metric.alias))
    if metric.at is not None:
        made.append(whole(_AT, _ms(metric.at)))
    if typed:
        made.append(whole(_TYPE, metric.kind))
    made.append(_value(metric.kind, metric.value))
    if metric.unit:
        unit = whole(_VALUE_TYPE, STRING) + block(_VALUE_STRING, metric.unit)
        made.append(block(_PROPERTIES, block(_KEYS, "engUnit") + block(_VALUES, unit)))
    return b"".join(made)


def _value(kind: int, value: float | str | bool | None) -> bytes:
    if value is None:
        return whole(_NULL, 1)
    if isinstance(value, str):
        return block(_STRING, value)
    if kind == BOOLEAN:
        return whole(_BOOL, int(value))
    if kind == DOUBLE:
        return double(_DOUBLE, value)
    return whole(_LONG, int(value))


def _dated(metric: bytes, at: float, *, history: bool) -> bytes:
    """Give a metric its time if it has none, and the mark of history."""
    has_time = any(number == _AT and kind == VARINT for number, kind, _, _ in parts(metric))
    return metric + (b"" if has_time else whole(_AT, _ms(at))) + (whole(_HISTORY, 1) if history else b"")


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
