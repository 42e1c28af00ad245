"""What may be asked of a Modbus device, and what comes back: reads only.

There is no request here that changes anything in a device, and nothing that could make one. Sources: MODBUS
Application Protocol Specification V1.1b3, §6.1-6.4, §6.21 and §7 (exception codes).
"""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

from drivers.modbus.point import BIT_TABLES, Table

FUNCTIONS: Final[dict[Table, int]] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
IDENTIFY: Final = 0x2B
READ_ONLY: Final = frozenset((*FUNCTIONS.values(), IDENTIFY))
"""The only function codes that this gateway ever sends."""

WHO_ARE_YOU: Final = bytes((IDENTIFY, 0x0E, 1, 0))
"""Read Device Identification: the basic objects, from the first on."""

ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3
_BUSY: Final = frozenset((5, 6))
_UNIT_AWAY: Final = frozenset((0x0A, 0x0B))
_pack = struct.Struct(">BHH").pack


class Manners(Struct, frozen=True, gc=False):
    """What a device does beside the specification, and the rest it needs between two requests (seconds).

    ``zero_transaction``: its replies may carry transaction 0. ``any_unit``: they may carry unit 0 or 255.
    """

    zero_transaction: bool = False
    any_unit: bool = False
    gap: float = 0.0


POLITE: Final = Manners()


class Request(Struct, frozen=True, gc=False):
    """Read *count* registers or bits of one table from address *start*, counted from zero.

    ``longer`` lists counts, ascending, to which it may be lengthened where the length must tell one reply
    from another; each ends behind a value.
    """

    unit: int
    table: Table
    start: int
    count: int
    longer: tuple[int, ...] = ()
    manners: Manners = POLITE

    @property
    def function(self) -> int:
        """The function code."""
        return FUNCTIONS[self.table]

    @property
    def body(self) -> bytes:
        """The request as it stands in a frame."""
        return _pack(FUNCTIONS[self.table], self.start, self.count)

    @property
    def reply_bytes(self) -> int:
        """How many bytes of data the only right reply carries."""
        return bytes_of(self.table, self.count)


def bytes_of(table: Table, count: int) -> int:
    """Give the size of the data of a reply with *count* registers or bits."""
    return (count + 7) // 8 if table in BIT_TABLES else 2 * count


class Answer(Struct, frozen=True, gc=False):
    """The bytes that a device gave, when they arrived (boot-time seconds), and how long it took.

    ``seconds`` is 0 where the time tells nothing about the request as it was given.
    """

    data: bytes
    at: float
    seconds: float = 0.0


class Fault(Struct, frozen=True, gc=False):
    """Why there are no bytes: a short word for samples, and the device's exception code (0: none came).

    ``seconds`` is how long the line was held for it.
    """

    why: str
    at: float
    code: int = 0
    seconds: float = 0.0

    @property
    def silent(self) -> bool:
        """Whether the device itself said nothing (a gateway before it may have said so)."""
        return (not self.code or self.code in _UNIT_AWAY) and self.why != UNSURE

    @property
    def busy(self) -> bool:
        """Whether asking again soon is likely to work."""
        return self.code in _BUSY


UNSURE: Final = "unsure"
"""A refusal came, but it may be the late answer to an earlier request."""


def why(code: int) -> str:
    """Name an exception code in one word."""
    if code in _BUSY:
        return "busy"
    if code in _UNIT_AWAY:
        return "no_reply"
    return "illegal_address" if code == ILLEGAL_ADDRESS else "exception"
