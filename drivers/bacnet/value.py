"""What BACnet devices are asked for and what they tell: objects, properties, values, refusals.

A value here is a plain Python one; whether it is a number that a point can use is decided elsewhere. A
null, a type that we do not know and a list have types of their own, so that none of them passes for a
number.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from drivers.bacnet.names import OBJECT_TYPES, PROPERTIES, object_type_name, property_name


class ObjectId(Struct, frozen=True, order=True):
    """An object of a device: the number of its type, and its own."""

    type: int
    instance: int

    @classmethod
    def parse(cls, text: str) -> ObjectId:
        """Read ``analog-input,1`` or ``130,1``; raise ValueError."""
        kind, comma, number = (part.strip() for part in text.partition(","))
        found = int(kind) if kind.isdecimal() else OBJECT_TYPES.get(kind)
        if found is None or not comma or not number.isdecimal():
            raise ValueError(f'"{text}" is no object: {_near(kind, OBJECT_TYPES, "analog-input,1")}')
        if found > 1023 or int(number) > 4194302:
            raise ValueError(f'"{text}" is no object: types are 0 to 1023, numbers 0 to 4194302')
        return cls(found, int(number))

    def __str__(self) -> str:
        """Give the text that reads back as the same object."""
        return f"{object_type_name(self.type)},{self.instance}"


class Ref(Struct, frozen=True, order=True):
    """A property of an object; ``index`` an element of an array (0: how many it has), -1 for the whole."""

    object: ObjectId
    property: int
    index: int = -1

    def __str__(self) -> str:
        """Give the text for messages."""
        element = "" if self.index < 0 else f"[{self.index}]"
        return f"{self.object} {property_name(self.property)}{element}"


class Null(Struct, frozen=True):
    """The value null: the device has none."""


class Bits(Struct, frozen=True):
    """A bit string, first bit first."""

    bits: tuple[bool, ...]

    def __getitem__(self, at: int) -> bool:
        """Give one bit; those that were not sent are clear."""
        return at < len(self.bits) and self.bits[at]


class Opaque(Struct, frozen=True):
    """A value of a type that is not decoded here, as it came; dates and times too."""

    raw: bytes


Value: TypeAlias = float | int | bool | str | bytes | ObjectId | Bits | Null | Opaque | tuple["Value", ...]
"""Of a BACnet value: enumerated values are ints; arrays and lists are tuples."""

Why: TypeAlias = Literal["error", "reject", "abort", "garbled"]


class Fault(Struct, frozen=True):
    """Why there is no value: what the device answered instead.

    ``code`` is the error code, reject reason or abort reason; ``error_class`` that of an error.
    """

    kind: Why
    code: int = 0
    error_class: int = 0


Answer: TypeAlias = Value | Fault


def property_number(text: str) -> int:
    """Read ``present-value`` or ``85``; raise ValueError."""
    number = int(text) if text.isdecimal() else PROPERTIES.get(text)
    if number is None or number > 4194303:
        raise ValueError(f'"{text}" is no property: {_near(text, PROPERTIES, "present-value")}')
    return number


def _near(text: str, known: dict[str, int], example: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(text, known, n=1)
    return f'did you mean "{near[0]}"?' if near else f'expected something like "{example}", or numbers'
