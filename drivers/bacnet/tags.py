"""BACnet's tagged values as bytes: read with suspicion, written for the few things that we say.

Pure. A datagram can hold anything, so each length is checked before it is believed. A type that is not
decoded here becomes ``Opaque``; bytes that are no tags raise GarbledError. Source: ANSI/ASHRAE 135, clause
20.2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Container, Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from drivers.bacnet.value import Bits, Null, ObjectId, Opaque, Value


class GarbledError(ValueError):
    """The bytes are not what the standard lets stand there."""


class Class(IntEnum):
    """What a tag introduces."""

    APPLICATION = 0
    CONTEXT = 1
    OPENING = 2
    CLOSING = 3


class Tag(NamedTuple):
    """One tag: its number and class, and where its content lies."""

    number: int
    kind: int
    start: int
    end: int


_BOOLEAN: Final = 1
_APPLICATION: Final = 0
_CLOSINGS: Final = [bytes((number << 4 | 0x0F,)) for number in range(15)]
_NUMBER_SIZES: Final = range(1, 9)
_CHARSETS: Final = {0: "utf-8", 3: "utf-32-be", 4: "utf-16-be"}


def tag(data: bytes, at: int) -> Tag:
    """Read the tag at *at*; raise GarbledError."""
    try:
        first = data[at]
        at += 1
        if (first & 7) < 5 and first < 0xF0 and first & 0xF8 != _BOOLEAN << 4:  # as nearly all are
            end = at + (first & 7)
            if end <= len(data):
                return Tag(first >> 4, first >> 3 & 1, at, end)
        number, size, context = first >> 4, first & 7, first & 8
        if number == 15:
            number = data[at]
            at += 1
        if context and size >= 6:
            return Tag(number, Class.OPENING if size == 6 else Class.CLOSING, at, at)
        if not context and number == _BOOLEAN:
            return Tag(number, Class.APPLICATION, at - 1, at)  # its value is the length itself
        if size >= 6:
            raise GarbledError("a length that does not exist")
        if size == 5:
            size, at = _long(data, at)
    except IndexError:
        raise GarbledError("it ends within a tag") from None
    if size > len(data) - at:
        raise GarbledError("a value is longer than the message")
    return Tag(number, Class.CONTEXT if context else Class.APPLICATION, at, at + size)


def _long(data: bytes, at: int) -> tuple[int, int]:
    size = data[at]
    wide = {254: 2, 255: 4}.get(size, 0)
    if not wide:
        return size, at + 1
    if len(data) < at + 1 + wide:
        raise IndexError
    return int.from_bytes(data[at + 1 : at + 1 + wide], "big"), at + 1 + wide


def expect(data: bytes, at: int, number: int, kind: Class = Class.CONTEXT) -> Tag:
    """Read the tag that must stand at *at*; raise GarbledError if it is another."""
    found = tag(data, at)
    if found.number != number or found.kind != kind:
        raise GarbledError(f"tag {found.number} where {number} must stand")
    return found


def peek(data: bytes, at: int, number: int, kind: Class = Class.CONTEXT) -> Tag | None:
    """Read the tag at *at* if it is *number* (below 15), which may stand there."""
    if at >= len(data) or data[at] >> 4 != number:
        return None
    found = tag(data, at)
    return found if found.number == number and found.kind == kind else None


def unsigned(data: bytes, found: Tag) -> int:
    """Read an unsigned or enumerated number."""
    if found.end - found.start not in _NUMBER_SIZES:
        raise GarbledError("a number of no bytes, or of too many")
    return int.from_bytes(data[found.start : found.end], "big")


def object_id(data: bytes, found: Tag) -> ObjectId:
    """Read an object identifier."""
    if found.end - found.start != 4:
        raise GarbledError("an object identifier that has not four bytes")
    return _object(data[found.start : found.end])


def until(data: bytes, at: int, number: int) -> tuple[Value, int]:
    """Read what stands between here and the closing tag *number* (below 15); give it and where it ends.

    One value is given as such, none or several as a tuple, and what is made of parts as it came.
    """
    found = tag(data, at)
    if found.kind == _APPLICATION and data[found.end : found.end + 1] == _CLOSINGS[number]:
        return primitive(data, found), found.end + 1
    values: list[Value] = []
    start, made_of_parts, open_tags = at, False, [number]
    while True:
        found = tag(data, at)
        at = found.end
        if found.kind == Class.APPLICATION and not made_of_parts:
            values.append(primitive(data, found))
        elif found.kind == Class.OPENING:
            made_of_parts = True
            open_tags.append(found.number)
        elif found.kind == Class.CLOSING:
            if open_tags.pop() != found.number:
                raise GarbledError("a closing tag without its opening one")
            if not open_tags:
                break
        elif found.kind == Class.CONTEXT:
            made_of_parts = True
    if made_of_parts:
        return Opaque(data[start : at - 1]), at
    return values[0] if len(values) == 1 else tuple(values), at


def primitive(data: bytes, found: Tag) -> Value:
    """Read an application-tagged value; what has not the size of its type is given as it came."""
    raw = data[found.start : found.end]
    reader = _READERS.get(found.number)
    if reader is None or (reader.sizes and len(raw) not in reader.sizes):
        return Opaque(raw)
    return reader.read(raw)


class _Reader(NamedTuple):
    """How the content of a type is read, and how many bytes it may have; empty: any number."""

    read: Callable[[bytes], Value]
    sizes: Container[int] | None = None


def _real(raw: bytes) -> float:
    number: float = struct.unpack(">f" if len(raw) == 4 else ">d", raw)[0]
    return number


def _integer(raw: bytes) -> int:
    return int.from_bytes(raw, "big", signed=True)


def _bits(raw: bytes) -> Value:
    if not raw or raw[0] > 7:
        return Opaque(raw)
    size = 8 * (len(raw) - 1) - raw[0]
    return Bits(tuple(bool(raw[1 + i // 8] >> (7 - i % 8) & 1) for i in range(size)))


def _object(raw: bytes) -> ObjectId:
    both = int.from_bytes(raw, "big")
    return ObjectId(both >> 22, both & 0x3FFFFF)


def _text(raw: bytes) -> Value:
    if not raw:
        return Opaque(raw)
    if raw[0] == 1:  # a code page follows; its letters beyond ASCII are guessed
        return raw[3:].decode("cp1252", "replace")
    return raw[1:].decode(_CHARSETS.get(raw[0], "latin-1"), "replace")


_READERS: Final = {
    0: _Reader(lambda _: Null(), (0,)),
    1: _Reader(lambda raw: bool(raw[0] & 7)),
    2: _Reader(lambda raw: int.from_bytes(raw, "big"), _NUMBER_SIZES),
    3: _Reader(_integer, _NUMBER_SIZES),
    4: _Reader(_real, (4,)),
    5: _Reader(_real, (8,)),
    6: _Reader(bytes),
    7: _Reader(_text),
    8: _Reader(_bits),
    9: _Reader(lambda raw: int.from_bytes(raw, "big"), _NUMBER_SIZES),
    12: _Reader(_object, (4,)),
}
"""By the numbers of application tags; dates and times are not among them."""


def _head(number: int, size: int, context: int) -> bytes:
    if size < 5:
        return bytes((number << 4 | context | size,))
    if size < 254:
        return bytes((number << 4 | context | 5, size))
    return bytes((number << 4 | context | 5, 254)) + size.to_bytes(2, "big")


def context(number: int, content: bytes) -> bytes:
    """Write a context-tagged value."""
    return _head(number, len(content), 8) + content


def application(number: int, content: bytes) -> bytes:
    """Write an application-tagged value; not for a boolean, which has no content."""
    return _head(number, len(content), 0) + content


def opening(number: int) -> bytes:
    """Write an opening tag."""
    return bytes((number << 4 | 0x0E,))


def closing(number: int) -> bytes:
    """Write a closing tag."""
    return bytes((number << 4 | 0x0F,))


def packed(number: int) -> bytes:
    """Write an unsigned number in as few bytes as it needs."""
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


def packed_object(one: ObjectId) -> bytes:
    """Write an object identifier."""
    return (one.type << 22 | one.instance).to_bytes(4, "big")


def packed_text(text: str) -> bytes:
    """Write a character string."""
    return b"\0" + text.encode()


def packed_bits(bits: Iterable[bool]) -> bytes:
    """Write a bit string."""
    all_bits = list(bits)
    spare = -len(all_bits) % 8
    number = sum(1 << (len(all_bits) + spare - 1 - i) for i, bit in enumerate(all_bits) if bit)
    return bytes((spare,)) + number.to_bytes((len(all_bits) + spare) // 8, "big")
