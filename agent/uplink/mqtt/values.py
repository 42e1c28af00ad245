"""The values that MQTT packets are made of, written and read; what is not well formed is a BadPacketError.

Source: OASIS MQTT 5.0, chapter 1.5, "Data representation".
"""

from __future__ import annotations

from typing import Final

from agent.core.errors import UplinkError

MALFORMED: Final = 0x81
PROTOCOL: Final = 0x82

MOST_LENGTH: Final = 0xFFF_FFFF  # what four bytes of seven bits can say


class BadPacketError(UplinkError):
    """The broker sent what the standard does not allow; ``reason`` is the code that says so to it."""

    def __init__(self, text: str, reason: int = MALFORMED) -> None:
        super().__init__(text)
        self.reason = reason


def length(number: int) -> bytes:
    """Write a variable byte integer."""
    if number < 0x80:
        return bytes((number,))
    made = bytearray()
    while True:
        number, low = divmod(number, 0x80)
        made.append(low | 0x80 if number else low)
        if not number:
            return bytes(made)


def text(words: str) -> bytes:
    """Write a text with its length in front; raise ValueError for one that is too long."""
    return blob(words.encode())


def blob(raw: bytes) -> bytes:
    """Write bytes with their length in front; raise ValueError for more than 65,535."""
    if len(raw) > 0xFFFF:
        raise ValueError(f"{len(raw)} bytes are more than MQTT has room for")
    return len(raw).to_bytes(2, "big") + raw


def read_length(data: bytes, at: int) -> tuple[int, int] | None:
    """Read a variable byte integer at *at*; give it and what follows, or None where bytes are missing."""
    number = shift = 0
    for place in range(at, min(at + 4, len(data))):
        byte = data[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if shift and not byte:
                raise BadPacketError("a length is longer than it has to be")
            return number, place + 1
        shift += 7
    if len(data) - at >= 4:
        raise BadPacketError("a length has no end")
    return None


class Cursor:
    """Reads one packet from its beginning to its end, and never beyond."""

    __slots__ = ("_data", "at", "end")

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self._data = data
        self.at = at
        self.end = end

    def left(self) -> int:
        """Give the bytes that have not been read."""
        return self.end - self.at

    def raw(self, count: int) -> bytes:
        """Read *count* bytes."""
        if count > self.end - self.at:
            raise BadPacketError("a packet ends in the middle of a value")
        begin, self.at = self.at, self.at + count
        return self._data[begin : self.at]

    def number(self, width: int) -> int:
        """Read an integer of *width* bytes."""
        return int.from_bytes(self.raw(width), "big")

    def length(self) -> int:
        """Read a variable byte integer."""
        found = read_length(self._data[: self.end], self.at)
        if found is None:
            raise BadPacketError("a packet ends in the middle of a length")
        number, self.at = found
        return number

    def blob(self) -> bytes:
        """Read bytes with their length in front."""
        return self.raw(self.number(2))

    def text(self) -> str:
        """Read a text; what is no UTF-8, or holds a NUL, is refused."""
        try:
            words = self.blob().decode()
        except UnicodeDecodeError as error:
            raise BadPacketError("a text is not UTF-8") from error
        if "\0" in words:
            raise BadPacketError("a text holds a NUL")
        return words

    def rest(self) -> bytes:
        """Read all that is left."""
        return self.raw(self.end - self.at)
