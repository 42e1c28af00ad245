"""Accepts a Modbus TCP reply only if it can be nothing but the answer to the request in flight.

Transaction number, unit, function and byte count must be those of the request. Other whole frames are
dropped and counted; bytes that are no frame at all end the connection, because a stream that lost its
framing cannot be trusted again. Towards the device it refuses every function code that is not a read.
Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, §3.1.3 and §4.4.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU

from drivers.modbus.request import IDENTIFY, READ_ONLY

_HEADER: Final = 6  # transaction, protocol and length: two bytes each, before what the length counts
_SHORTEST: Final = 2
_LONGEST: Final = 254
_EXCEPTION: Final = 0x80


class Reply(ModbusPDU):
    """An accepted reply: everything from the function code on, as it came."""

    def __init__(self, unit: int, transaction: int, body: bytes) -> None:
        super().__init__(dev_id=unit, transaction_id=transaction)
        self.function_code = body[0]
        self.body = body


class StrictSocket(FramerSocket):
    """The framer that one connection uses; *on_garbage* is told the bytes that cannot be a frame."""

    # the transport drops everything above this, in the middle of a frame; one read gives up to 256 KiB
    MAX_SIZE = 1 << 20

    def __init__(self, on_garbage: Callable[[bytes], None]) -> None:
        super().__init__(DecodePDU(False))
        self._on_garbage = on_garbage
        self._buffer = b""
        self._expected: tuple[int, int, int, int] | None = None
        self.refused = 0

    @property
    def half(self) -> bool:
        """Whether a frame has begun to arrive and has not ended."""
        return bool(self._buffer)

    def expect(self, reply_bytes: int) -> None:
        """Say how many bytes of data the next reply must carry."""
        self._reply_bytes = reply_bytes

    def buildFrame(self, message: ModbusPDU) -> bytes:  # noqa: N802 - pymodbus' name
        """Write the request, and remember what its reply must look like."""
        if message.function_code not in READ_ONLY:
            raise PermissionError(f"function code {message.function_code} could change a device")
        self._expected = (message.transaction_id, message.dev_id, message.function_code, self._reply_bytes)
        return super().buildFrame(message)

    def handleFrame(  # noqa: N802 - pymodbus' name
        self, data: bytes, exp_devid: int, exp_tid: int
    ) -> tuple[int, ModbusPDU | None]:
        """Take all bytes; give the one reply that fits, if it is there."""
        self._buffer += data
        found: Reply | None = None
        while self._buffer and (size := self._frame_size()) is not None:
            if size < 0:
                garbage, self._buffer = self._buffer, b""
                self._on_garbage(garbage)
                return len(data), None
            frame, self._buffer = self._buffer[:size], self._buffer[size:]
            if reply := self._accept(frame):
                found, self._expected = reply, None
            else:
                self.refused += 1
        return len(data), found

    def _frame_size(self) -> int | None:
        """Give the length of the first frame; None: not all there yet, -1: this is no frame."""
        have = self._buffer
        if any(have[2:4]):
            return -1
        if len(have) < _HEADER:
            return None
        length = int.from_bytes(have[4:6], "big")
        if not _SHORTEST <= length <= _LONGEST:
            return -1
        return _HEADER + length if len(have) >= _HEADER + length else None

    def _accept(self, frame: bytes) -> Reply | None:
        if self._expected is None:
            return None
        transaction, unit, function, count = self._expected
        body = frame[7:]
        if int.from_bytes(frame[:2], "big") != transaction or frame[6] != unit or not body:
            return None
        if body[0] == function | _EXCEPTION:
            fits = len(body) == 2 and body[1] > 0
        elif body[0] != function:
            fits = False
        elif function == IDENTIFY:
            fits = len(body) >= 7 and body[1] == 0x0E
        else:
            fits = len(body) == 2 + count and body[1] == count
        return Reply(unit, transaction, body) if fits else None
