"""Modbus TCP frames: a reply is taken only if it can be nothing but the answer to a request that waits.

Transaction number, unit, function and byte count must be those of the request. Other whole frames are
dropped and counted. Stray bytes are passed over where the reply stands behind them; a stream that shows
nothing but strange bytes is called garbage, because it cannot be trusted again. Source: MODBUS Messaging on
TCP/IP Implementation Guide V1.0b, §3.1.3 and §4.4.2.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Final

from drivers.modbus.frames import EXCEPTION, Question, Tally, only_reads
from drivers.modbus.request import IDENTIFY

_HEADER: Final = 6  # transaction, protocol and length: two bytes each, before what the length counts
_SHORTEST: Final = 2
_LONGEST: Final = 254
_NUMBERS: Final = 0xFFFF
_GARBAGE: Final = 8  # so many bytes without a frame are no accident
_header = struct.Struct(">HHHB").pack
_begin_frames = re.compile(rb"(?s)(?=(..)\0\0)").findall  # what may be a number: it stands before a zero word
_reply_head = struct.Struct(">HHHBBB").pack


class TcpFrames:
    """Implements Frames for Modbus TCP."""

    numbered = True

    def __init__(self) -> None:
        self.tally = Tally()
        self.garbage = b""
        self._buffer = b""
        self._number = 0
        self._question: Question | None = None
        self._head, self._whole = b"", -1
        self._refused = False
        self._aside: dict[int, Question] = {}
        self._late: list[tuple[int, bytes]] = []
        self._doubt = False  # each frame that comes decides it anew

    @property
    def half(self) -> bool:
        """Whether a frame has begun to arrive and has not ended."""
        return bool(self._buffer)

    def reset(self) -> None:
        """Begin with a new stream; numbers go on, so that an old reply stays an old one."""
        self._buffer = self.garbage = b""
        self._question = None
        self._aside, self._late = {}, []

    def ask(self, question: Question) -> bytes:
        """Write a request; from now on only its reply is taken. Raise PermissionError if it is no read."""
        body = question.body
        only_reads(body)
        # 0 is left out: some devices put it into every reply
        number = self._number % _NUMBERS + 1
        while number in self._aside:
            number = number % _NUMBERS + 1
        self._number = number
        self._question, self._refused = question, False
        if question.size >= 0:
            size = question.size
            self._head = _reply_head(number, 0, 3 + size, question.unit, body[0], size)
            self._whole = 9 + size
        else:
            self._whole = -1
        return _header(number, 0, len(body) + 1, question.unit) + body

    def give_up(self) -> bool:
        """Take no reply any more; say whether something came that could not be one."""
        self._question = None
        return self._refused or bool(self._buffer)

    def put_aside(self) -> int:
        """Go on taking the present reply while others are asked; give its number, 0 where that cannot be."""
        if self._question is None or self._refused:
            return 0
        self._aside[self._number], self._question = self._question, None
        return self._number

    def late(self) -> Sequence[tuple[int, bytes]]:
        """Give the replies to questions put aside that have come, with their numbers; each once.

        None is given while a frame is half there, or may be missing its head: a reply that was cut short is
        filled up with what follows it, and the rest of that shows.
        """
        if not self._late or self._buffer or self._doubt:
            return ()
        found, self._late = self._late, []
        return found

    def forget(self, number: int) -> None:
        """Take no reply any more to the question that was put aside under *number*."""
        self._aside.pop(number, None)

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes; give the reply, from its function code on, when it is there."""
        alone = self._question and not self._buffer and not self._aside
        if alone and len(data) == self._whole and data[:9] == self._head:
            self._question, self._doubt = None, False
            return data[7:]
        self._buffer += data
        found = None
        while self._buffer and (size := _frame_size(self._buffer)) is not None:
            if size < 0:
                if self._skip():
                    continue
                break
            frame, self._buffer = self._buffer[:size], self._buffer[size:]
            number, self._doubt = int.from_bytes(frame[:2], "big"), False
            fits = self._fits(frame, self._question)
            if fits and not self._holds_late(frame) and not self._was_filled_up(frame):
                found, self._question = frame[7:], None
            elif self._fits(frame, self._aside.get(number), number) and not self._swallows(frame, number):
                self._late.append((number, frame[7:]))
                del self._aside[number]
            else:
                self.tally.stale += 1
                self._refused = True
        return found

    def _skip(self) -> bool:
        """Pass over stray bytes to where the reply may begin; say whether to go on."""
        have, self._late = self._buffer, []  # one of them may have swallowed what is missing
        begin = self._number.to_bytes(2, "big") + b"\0\0"
        at = have.find(begin, 1)
        if at < 0:
            tail = next((size for size in (3, 2, 1) if have.endswith(begin[:size])), 0)
            if len(have) - tail >= _GARBAGE:
                self.garbage, self._buffer = have[:_GARBAGE], b""
                self.tally.noise += len(have)
            return False
        self.tally.noise += at
        self._refused = True
        self._buffer = have[at:]
        return True

    def _fits(self, frame: bytes, question: Question | None, number: int = 0) -> bool:
        body = frame[7:]
        if question is None or not body or not self._is_ours(frame, question, number or self._number):
            return False
        function = question.function
        if body[0] == function | EXCEPTION:
            return len(body) == 2 and body[1] > 0
        if function == IDENTIFY:
            return len(body) >= 7 and body[:2] == bytes((IDENTIFY, 0x0E))
        size = question.size
        return len(body) == 2 + size and body[0] == function and body[1] == size

    def _swallows(self, frame: bytes, number: int) -> bool:
        """Say whether *frame* was cut short and filled up with the reply to a later question.

        Where it ends with what may be the beginning of one, the frame behind it will tell.
        """
        while number != self._number:
            number = number % 0xFFFF + 1
            head = number.to_bytes(2, "big") + b"\0\0"
            if frame.find(head, 7) >= 0:
                return True
            self._doubt = self._doubt or frame.endswith((head[:1], head[:2], head[:3]))
        return False

    def _holds_late(self, frame: bytes) -> bool:
        """Say whether *frame* may have been cut short, and filled up with a late reply, given up or not."""
        if not self._aside:
            return False
        first = next(iter(self._aside))
        asked_since = (self._number - first) % _NUMBERS
        inside = (int.from_bytes(two, "big") for two in _begin_frames(frame[7:]))
        return any(number and (number - first) % _NUMBERS <= asked_since for number in inside)

    def _was_filled_up(self, frame: bytes) -> bool:
        """Say whether the end of *frame* may be the beginning of the next one, of which this is the rest."""
        rest = self._buffer
        size = _frame_size(rest) if rest else 1
        if size is None:  # too little has come to tell: unless it begins as an awaited reply does
            heads = (number.to_bytes(2, "big") + b"\0\0" for number in self._aside)
            return bool(self._aside) and not any(head.startswith(rest[:4]) for head in heads)
        return size < 0 and any(_frame_size(frame[-many:] + rest) != -1 for many in (1, 2, 3))

    def _is_ours(self, frame: bytes, question: Question, expected: int) -> bool:
        number = int.from_bytes(frame[:2], "big")
        numbered = number == expected or (question.manners.zero_transaction and not number)
        return numbered and frame[6] in question.units()


def _frame_size(have: bytes) -> int | None:
    """Give the length of the first frame; None: not all there yet, -1: this is no frame."""
    if any(have[2:4]):
        return -1
    if len(have) < _HEADER:
        return None
    length = int.from_bytes(have[4:6], "big")
    if not _SHORTEST <= length <= _LONGEST:
        return -1
    return _HEADER + length if len(have) >= _HEADER + length else None
