"""What the two ways to put Modbus into frames have in common.

Pure: bytes in, bytes out. Frames know one question at a time, and those whose replies are late, and accept
only what can be nothing but the answer to one. Towards the device they refuse every function code that is
not a read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from drivers.modbus.request import IDENTIFY, READ_ONLY, Manners

EXCEPTION = 0x80


class Tally(Struct, gc=False):
    """What was not taken: whole frames of another time, of another master, wrong checksums, stray bytes."""

    stale: int = 0
    foreign: int = 0
    crc_errors: int = 0
    noise: int = 0
    echoes: int = 0


class Question(Struct, frozen=True, gc=False):
    """What is in flight: ``size`` is the number of bytes of data in its reply, or -1 where any may come."""

    unit: int
    body: bytes
    size: int
    manners: Manners

    @property
    def function(self) -> int:
        """The function code."""
        return self.body[0]

    def units(self) -> tuple[int, ...]:
        """List the unit numbers that its reply may carry."""
        return (self.unit, 0, 255) if self.manners.any_unit else (self.unit,)


class Frames(Protocol):
    """One stream of frames."""

    tally: Tally

    @property
    def numbered(self) -> bool:
        """Whether a reply carries the number of its request."""
        ...

    @property
    def half(self) -> bool:
        """Whether a frame has begun to arrive and has not ended."""
        ...

    @property
    def garbage(self) -> bytes:
        """The first bytes of what shows that the stream is no Modbus of this kind; empty: none."""
        ...

    def ask(self, question: Question) -> bytes:
        """Write a request; from now on only its reply is taken. Raise PermissionError if it is no read."""
        ...

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes; give the reply, from its function code on, when it is there."""
        ...

    def give_up(self) -> bool:
        """Take no reply any more; say whether something came that could not be one."""
        ...

    def put_aside(self) -> int:
        """Go on taking the present reply while others are asked; give its number, 0 where that cannot be."""
        ...

    def late(self) -> Sequence[tuple[int, bytes]]:
        """Give the replies to questions put aside that have come, with their numbers; each once."""
        ...

    def forget(self, number: int) -> None:
        """Take no reply any more to the question that was put aside under *number*."""
        ...

    def reset(self) -> None:
        """Begin with a new stream."""
        ...


def only_reads(body: bytes) -> None:
    """Raise PermissionError if *body* could change a device."""
    if body[0] not in READ_ONLY or (body[0] == IDENTIFY and body[1:2] != b"\x0e"):
        raise PermissionError(f"function code {body[0]} could change a device")
