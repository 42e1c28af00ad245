"""Frames of WebSocket as a client writes and reads them: pure and strict, without text and extensions.

Data are handed over as they come, whatever size their frame announces: nothing is gathered but the head of a
frame and the 125 bytes that a control frame may have. Source: RFC 6455, chapters 5 and 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from agent.core.errors import UplinkError

CONTINUED: Final = 0
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

PROTOCOL: Final = 1002
UNWANTED: Final = 1003

_MASKED: Final = 0x80
_WHOLE: Final = 0x80
_RESERVED: Final = 0x70
_CONTROL: Final = 8  # kinds from here on
_MOST_CONTROL: Final = 125
_MOST: Final = 2**63
_KINDS: Final = frozenset({CONTINUED, BINARY, CLOSE, PING, PONG})
_TEXT: Final = 1
_CODES: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
_MEANINGS: Final = {
    1000: "it is done",
    1001: "it goes away",
    1002: "we broke its rules",
    1003: "it does not take this kind of data",
    1008: "its policy forbids it",
    1009: "a message was too large for it",
    1011: "an error of its own",
    1012: "it starts anew",
    1013: "it is too busy",
}


class BadFrameError(UplinkError):
    """The other side sent what the standard does not allow; ``code`` says so to it."""

    def __init__(self, text: str, code: int = PROTOCOL) -> None:
        super().__init__(text)
        self.code = code


class Heard(Struct, frozen=True, gc=False):
    """A piece of data (``kind`` BINARY), or a whole control frame."""

    kind: int
    data: bytes


def frame(kind: int, data: bytes, mask: bytes) -> bytes:
    """Write one whole frame; *mask* is four bytes that nobody can guess."""
    size = len(data)
    if size <= _MOST_CONTROL:
        head = bytes((_WHOLE | kind, _MASKED | size))
    elif size < 0x10000:
        head = bytes((_WHOLE | kind, _MASKED | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_WHOLE | kind, _MASKED | 127)) + size.to_bytes(8, "big")
    key = (mask * (size // 4 + 1))[:size]
    # as one large number: the fastest way to combine two strings of bytes that the standard library has
    masked = (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return head + mask + masked


def closing(data: bytes) -> str:
    """Say in words why the other side closes; raise BadFrameError for what is no reason."""
    if not data:
        return "without a reason"
    code = int.from_bytes(data[:2], "big")
    if len(data) == 1 or not (code in _CODES or 3000 <= code < 5000):
        raise BadFrameError("it closes with a code that does not exist")
    try:
        words = data[2:].decode()
    except UnicodeDecodeError as error:
        raise BadFrameError("it closes with words that are not UTF-8", 1007) from error
    said = "".join(one if one.isprintable() else "?" for one in words)
    words = f', "{said}"' if said else ""
    return f"{_MEANINGS.get(code, 'for a reason of its own')} ({code}{words})"


class Reader:
    """The bytes of one connection; after an error it must not be fed again."""

    def __init__(self) -> None:
        self._kept = b""
        self._left = 0  # bytes that the present frame of data still lacks
        self._is_open = False  # a message goes on in another frame

    def feed(self, data: bytes) -> Iterator[Heard]:
        """Give what *data* brings; raise BadFrameError at the first thing that is wrong."""
        data = self._kept + data
        self._kept = b""
        at, end = 0, len(data)
        while at < end:
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                yield Heard(BINARY, piece)
                continue
            head = _head(data, at)
            if head is None:
                break
            kind, is_whole, size, begin = head
            if kind < _CONTROL:
                self._begin(kind, is_whole=is_whole)
                self._left, at = size, begin
            elif begin + size > end:
                break
            else:
                at = begin + size
                yield Heard(kind, data[begin:at])
        self._kept = data[at:]

    def _begin(self, kind: int, *, is_whole: bool) -> None:
        if (kind == CONTINUED) != self._is_open:
            raise BadFrameError("a piece of a message stands where none belongs")
        self._is_open = not is_whole


def _head(data: bytes, at: int) -> tuple[int, bool, int, int] | None:
    """Read kind, whether it is the last piece, size, where the payload begins; None: bytes are missing."""
    if len(data) - at < 2:
        return None
    first, second = data[at], data[at + 1]
    kind, is_whole, size = first & 0x0F, bool(first & _WHOLE), second & 0x7F
    if first & _RESERVED:
        raise BadFrameError("it uses an extension that nobody has asked for")
    if second & _MASKED:
        raise BadFrameError("it masks its frames, which only we may do")
    if kind == _TEXT:
        raise BadFrameError("it sends text; MQTT comes in binary frames", UNWANTED)
    if kind not in _KINDS:
        raise BadFrameError(f"a frame of kind {kind} does not exist")
    if kind >= _CONTROL and (size > _MOST_CONTROL or not is_whole):
        raise BadFrameError("a control frame is too long or in pieces")
    if size <= _MOST_CONTROL:
        return kind, is_whole, size, at + 2
    width, least = (2, 126) if size == 126 else (8, 0x10000)
    begin = at + 2 + width
    if len(data) < begin:
        return None
    size = int.from_bytes(data[at + 2 : begin], "big")
    if not least <= size < _MOST:
        raise BadFrameError("a size is not written as it has to be")
    return kind, is_whole, size, begin
