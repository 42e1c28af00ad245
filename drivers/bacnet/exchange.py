"""One confirmed request and its answer, which may come in parts.

It does no I/O: it is fed the messages that carry its number and says what to send back. Parts are taken
only in their order; one that is missing is asked for again, one that comes twice is acknowledged and left.
Source: ANSI/ASHRAE 135, clause 5.4.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum
from typing import Final

from drivers.bacnet.apdu import SEGMENTS, Confirmed, error, segment_ack
from drivers.bacnet.tags import GarbledError
from drivers.bacnet.value import Fault

_WINDOW: Final = 16
_SEGMENTED: Final = 0x08
_MORE: Final = 0x04
_FROM_SERVER: Final = 0x01


class Pdu(IntEnum):
    """The types of messages."""

    CONFIRMED = 0
    UNCONFIRMED = 1
    SIMPLE_ACK = 2
    COMPLEX_ACK = 3
    SEGMENT_ACK = 4
    ERROR = 5
    REJECT = 6
    ABORT = 7


class Exchange:
    """A request under way; ``done`` gets the answer's data, a fault, or None when it is given up."""

    def __init__(self, service: Confirmed) -> None:
        self.done: asyncio.Future[bytes | Fault | None] = asyncio.get_running_loop().create_future()
        self._service = service
        self._parts = bytearray()
        self._next = 0
        self._window = 1
        self._unacknowledged = 0

    def feed(self, apdu: bytes) -> bytes | None:
        """Take a message that carries our number; give what must be sent back, if anything."""
        if self.done.done() or len(apdu) < 3:
            return None
        match apdu[0] >> 4:
            case Pdu.SIMPLE_ACK if apdu[2] == self._service:
                self._end(b"")
            case Pdu.COMPLEX_ACK if apdu[0] & _SEGMENTED:
                return self._part(apdu)
            case Pdu.COMPLEX_ACK if apdu[2] == self._service:
                self._end(apdu[3:])
            case Pdu.ERROR if apdu[2] == self._service:
                self._end(_error(apdu[3:]))
            case Pdu.REJECT:
                self._end(Fault("reject", apdu[2]))
            case Pdu.ABORT if apdu[0] & _FROM_SERVER:
                self._end(Fault("abort", apdu[2]))
        return None

    def give_up(self) -> None:
        """End it without an answer."""
        if not self.done.done():
            self.done.set_result(None)

    @property
    def progress(self) -> int:
        """How many parts have come."""
        return self._next

    def _end(self, outcome: bytes | Fault) -> None:
        self.done.set_result(outcome)

    def _part(self, apdu: bytes) -> bytes | None:
        if len(apdu) < 5 or apdu[4] != self._service:
            return None
        invoke, number = apdu[1], apdu[2]
        if number != self._next & 0xFF:
            again = 0 < (self._next - number) & 0xFF <= max(self._window, _WINDOW)
            if not self._next:
                return None
            self._unacknowledged = 0
            return segment_ack(invoke, self._next - 1, self._window, missing=not again)
        if not self._next:
            self._window = max(1, min(apdu[3], _WINDOW))
        self._parts += apdu[5:]
        self._next += 1
        self._unacknowledged += 1
        if not apdu[0] & _MORE:
            self._end(bytes(self._parts))
        elif self._next >= SEGMENTS:
            self._end(Fault("abort", 11))
        elif self._next > 1 and self._unacknowledged < self._window:
            return None
        self._unacknowledged = 0
        return segment_ack(invoke, number, self._window)


def _error(data: bytes) -> Fault:
    try:
        return error(data)
    except GarbledError:
        return Fault("garbled")
