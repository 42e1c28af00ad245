"""The few application messages that are spoken here, as bytes: asked, and read with suspicion.

Pure. An answer is taken only if it names what was asked, so a late or a foreign one can never give a wrong
value. No service that changes anything is written here. Source: ANSI/ASHRAE 135, clauses 13-16, 20.1 and
21.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import groupby
from typing import Final

from drivers.bacnet.names import DEVICE
from drivers.bacnet.peer import Peer
from drivers.bacnet.stack import IAm, Notice, Subscription
from drivers.bacnet.tags import (
    Class,
    GarbledError,
    closing,
    context,
    expect,
    object_id,
    opening,
    packed,
    packed_object,
    peek,
    tag,
    unsigned,
    until,
)
from drivers.bacnet.value import Answer, Fault, ObjectId, Ref, Value

ANY_INSTANCE: Final = 4194303
"""As the instance of a device object: whichever the asked one has."""

MAX_APDU: Final = 1476
SEGMENTS: Final = 64
_SIZES: Final = 0x65  # up to 64 parts of up to 1476 bytes
_MOST_VALUES: Final = 64


class Confirmed(IntEnum):
    """Services that get an answer."""

    COV_NOTIFICATION = 1
    SUBSCRIBE_COV = 5
    READ_PROPERTY = 12
    READ_PROPERTY_MULTIPLE = 14


class Unconfirmed(IntEnum):
    """Services that get none."""

    I_AM = 0
    COV_NOTIFICATION = 2
    WHO_IS = 8


READS: Final = frozenset((1, 5, 12, 14))
"""The confirmed services that change nothing but who is told of what."""


def slips() -> list[str]:
    """Name the confirmed services that can be written into a request and may change more."""
    return [one.name for one in Confirmed if one not in READS]


def confirmed(service: Confirmed, invoke: int, data: bytes) -> bytes:
    """Write a confirmed request that accepts an answer in parts."""
    return bytes((0x02, _SIZES, invoke, service)) + data


def segment_ack(invoke: int, sequence: int, window: int, *, missing: bool = False) -> bytes:
    """Write a client's receipt for parts of an answer."""
    return bytes((0x42 if missing else 0x40, invoke, sequence & 0xFF, window))


def read_property(ref: Ref) -> bytes:
    """Write what ReadProperty asks for."""
    return context(0, packed_object(ref.object)) + _property(ref, 1)


def read_property_multiple(refs: Iterable[Ref]) -> bytes:
    """Write what ReadPropertyMultiple asks for; the properties of an object under one heading."""
    parts = []
    for one, properties in groupby(refs, lambda ref: ref.object):
        parts.append(context(0, packed_object(one)) + opening(1))
        parts += [_property(ref, 0) for ref in properties]
        parts.append(closing(1))
    return b"".join(parts)


def _property(ref: Ref, number: int) -> bytes:
    asked = context(number, packed(ref.property))
    return asked if ref.index < 0 else asked + context(number + 1, packed(ref.index))


def subscribe(wish: Subscription) -> bytes:
    """Write what SubscribeCOV asks for."""
    return (
        unsubscribe(wish.process, wish.object)
        + context(2, bytes((wish.confirmed,)))
        + context(3, packed(wish.lifetime))
    )


def unsubscribe(process: int, monitored: ObjectId) -> bytes:
    """Write the SubscribeCOV that ends a subscription: one without terms."""
    return context(0, packed(process)) + context(1, packed_object(monitored))


def who_is(low: int, high: int) -> bytes:
    """Write a Who-Is for a range of instances."""
    every = low <= 0 and high >= ANY_INSTANCE
    limits = b"" if every else context(0, packed(max(0, low))) + context(1, packed(high))
    return bytes((0x10, Unconfirmed.WHO_IS)) + limits


def read_ack(data: bytes, asked: Ref) -> Value:
    """Read the answer to ReadProperty; raise GarbledError if it is that to another question."""
    found = expect(data, 0, 0)
    one = object_id(data, found)
    ref, at = _told(data, found.end, one, 1)
    if not _fits(asked, ref):
        raise GarbledError(f"{ref} instead of {asked}")
    value, end = until(data, expect(data, at, 3, Class.OPENING).end, 3)
    if end != len(data):
        raise GarbledError("more than one answer")
    return value


def read_many_ack(data: bytes, asked: Sequence[Ref]) -> list[Answer]:
    """Read the answer to ReadPropertyMultiple: what it holds for each of *asked*, in their order."""
    told: dict[Ref, Answer] = {}
    device, at = -1, 0
    while at < len(data):
        found = expect(data, at, 0)
        one = object_id(data, found)
        if one.type == DEVICE:
            device = one.instance
        at = expect(data, found.end, 1, Class.OPENING).end
        while not (end := peek(data, at, 1, Class.CLOSING)):
            ref, at = _told(data, at, one, 2)
            told[ref], at = _result(data, at)
        at = end.end
    missing = Fault("garbled")
    return [told.get(_known(ref, device), missing) for ref in asked]


def _told(data: bytes, at: int, one: ObjectId, number: int) -> tuple[Ref, int]:
    """Read a property and its index, if it has one, under the tags *number* and the next."""
    found = expect(data, at, number)
    known = unsigned(data, found)
    if index := peek(data, found.end, number + 1):
        return Ref(one, known, unsigned(data, index)), index.end
    return Ref(one, known), found.end


def _result(data: bytes, at: int) -> tuple[Answer, int]:
    found = tag(data, at)
    if found.kind == Class.OPENING and found.number == 4:
        return until(data, found.end, 4)
    if found.kind != Class.OPENING or found.number != 5:
        raise GarbledError("neither a value nor an error")
    fault = error(data[found.end :])
    end = until(data, found.end, 5)[1]
    return fault, end


def _known(asked: Ref, device: int) -> Ref:
    if asked.object == ObjectId(DEVICE, ANY_INSTANCE) and device >= 0:
        return Ref(ObjectId(DEVICE, device), asked.property, asked.index)
    return asked


def _fits(asked: Ref, told: Ref) -> bool:
    return _known(asked, told.object.instance if told.object.type == DEVICE else -1) == told


def error(data: bytes) -> Fault:
    """Read an error's class and code; services that wrap them say so by an opening tag."""
    at = 0
    if (wrapped := tag(data, 0)).kind == Class.OPENING:
        at = wrapped.end
    first = expect(data, at, 9, Class.APPLICATION)
    second = expect(data, first.end, 9, Class.APPLICATION)
    return Fault("error", unsigned(data, second), unsigned(data, first))


def i_am(data: bytes, peer: Peer) -> IAm:
    """Read an I-Am; raise GarbledError."""
    kinds = (12, 2, 9, 2)
    at, found = 0, []
    for kind in kinds:
        found.append(expect(data, at, kind, Class.APPLICATION))
        at = found[-1].end
    one = object_id(data, found[0])
    if one.type != DEVICE:
        raise GarbledError(f"{one} is no device")
    size, segmentation, vendor = (unsigned(data, part) for part in found[1:])
    return IAm(peer, one.instance, size, segmentation in (0, 1), vendor)


def wanted(data: bytes) -> tuple[int, int]:
    """Read the range of instances that a Who-Is asks for; raise GarbledError."""
    if not data:
        return 0, ANY_INSTANCE
    low = expect(data, 0, 0)
    high = expect(data, low.end, 1)
    return unsigned(data, low), unsigned(data, high)


def notice(data: bytes, peer: Peer) -> Notice:
    """Read a notification of changed values; raise GarbledError."""
    process = expect(data, 0, 0)
    device = expect(data, process.end, 1)
    monitored = expect(data, device.end, 2)
    remaining = expect(data, monitored.end, 3)
    at = expect(data, remaining.end, 4, Class.OPENING).end
    one = object_id(data, monitored)
    values: list[tuple[Ref, Value]] = []
    while not peek(data, at, 4, Class.CLOSING):
        ref, at = _told(data, at, one, 0)
        value, at = until(data, expect(data, at, 2, Class.OPENING).end, 2)
        if priority := peek(data, at, 3):
            at = priority.end
        values.append((ref, value))
        if at >= len(data) or len(values) > _MOST_VALUES:
            raise GarbledError("a list that does not end")
    return Notice(
        peer,
        unsigned(data, process),
        object_id(data, device).instance,
        one,
        unsigned(data, remaining),
        tuple(values),
    )
