"""What may be asked of a Modbus device, and what comes back: reads only.

There is no request here that changes anything in a device, and nothing that could make one. Sources: MODBUS
Application Protocol Specification V1.1b3, §6.1-6.4, §6.21 and §7 (exception codes).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from drivers.modbus.point import BIT_TABLES, Table

FUNCTIONS: Final[dict[Table, int]] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
IDENTIFY: Final = 0x2B
READ_ONLY: Final = frozenset((*FUNCTIONS.values(), IDENTIFY))
"""The only function codes that this gateway ever sends."""

ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3
_BUSY: Final = frozenset((5, 6))
_UNIT_AWAY: Final = frozenset((0x0A, 0x0B))


class Request(Struct, frozen=True):
    """Read *count* registers or bits of one table from address *start*, counted from zero."""

    unit: int
    table: Table
    start: int
    count: int

    @property
    def function(self) -> int:
        """The function code."""
        return FUNCTIONS[self.table]

    @property
    def reply_bytes(self) -> int:
        """How many bytes of data the only right reply carries."""
        return (self.count + 7) // 8 if self.table in BIT_TABLES else 2 * self.count


class Answer(Struct, frozen=True):
    """The bytes that a device gave, and when they arrived (boot-time seconds)."""

    data: bytes
    at: float


class Fault(Struct, frozen=True):
    """Why there are no bytes: a short word for samples, and the device's exception code (0: none came)."""

    why: str
    at: float
    code: int = 0

    @property
    def silent(self) -> bool:
        """Whether the device itself said nothing (a gateway before it may have said so)."""
        return not self.code or self.code in _UNIT_AWAY

    @property
    def busy(self) -> bool:
        """Whether asking again soon is likely to work."""
        return self.code in _BUSY


def why(code: int) -> str:
    """Name an exception code in one word."""
    if code in _BUSY:
        return "busy"
    if code in _UNIT_AWAY:
        return "no_reply"
    return "illegal_address" if code == ILLEGAL_ADDRESS else "exception"
