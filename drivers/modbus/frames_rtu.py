"""Modbus RTU frames: the reply is looked for at every offset of what a line brings.

A line brings more than replies: noise, the echo of our own request, late answers, other masters. Nothing
marks where a frame begins, so a reply is whatever stretch has the right unit, function, byte count and
checksum; all else is passed over, and named in the tally. Source: MODBUS over Serial Line Specification and
Implementation Guide V1.02, §2.5.1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from drivers.modbus.crc import crc, is_sound
from drivers.modbus.frames import EXCEPTION, Question, Tally, only_reads
from drivers.modbus.request import IDENTIFY
from drivers.modbus.strays import sort

_LONGEST: Final = 256
_KEPT: Final = 4096  # so many bytes that were passed over are looked at to name them
_ECHOES: Final = 16


class RtuFrames:
    """Implements Frames for serial lines, and for converters that pass their bytes through TCP."""

    numbered = False
    garbage = b""

    def __init__(self) -> None:
        self.tally = Tally()
        self._buffer = b""
        self._passed = b""
        self._failed: set[int] = set()
        self._question: Question | None = None
        self._heads: tuple[bytes, ...] = ()
        self._bad = False
        self._sent: deque[bytes] = deque(maxlen=_ECHOES)
        self._ours: set[int] = set()

    @property
    def half(self) -> bool:
        """Whether a reply has begun to arrive and has not ended."""
        return self._question is not None and bool(self._buffer)

    def reset(self) -> None:
        """Begin with a new stream."""
        self._sort_out()
        self._question = None

    def ask(self, question: Question) -> bytes:
        """Write a request; from now on only its reply is taken. Raise PermissionError if it is no read."""
        only_reads(question.body)
        self._sort_out()
        frame = bytes((question.unit,)) + question.body
        frame += crc(frame)
        function = question.function
        behind = 0x0E if question.size < 0 else question.size
        self._heads = tuple(
            head
            for unit in question.units()
            for head in (bytes((unit, function, behind)), bytes((unit, function | EXCEPTION)))
        )
        self._question, self._bad = question, False
        self._sent.append(frame)
        self._ours.update(question.units())
        return frame

    def give_up(self) -> bool:
        """Take no reply any more; say whether something came that could not be one."""
        self._question = None
        self._sort_out()
        return self._bad

    def put_aside(self) -> int:
        """Say that nothing can be put aside: a reply has no number."""
        return 0

    def late(self) -> Sequence[tuple[int, bytes]]:
        """Give nothing."""
        return ()

    def forget(self, number: int) -> None:
        """Do nothing."""

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes; give the reply, from the function code on, when it is there."""
        self._buffer += data
        if self._question is None:
            if len(self._buffer) > _KEPT:
                self._sort_out()
            return None
        undecided = len(self._buffer)
        at = self._next(0)
        while at >= 0:
            size = self._size(at)
            if size is None or at + size > len(self._buffer):
                undecided = min(undecided, at)
            elif at not in self._failed:
                if is_sound(self._buffer[at : at + size]):
                    return self._take(at, size)
                self._failed.add(at)
                self.tally.crc_errors += 1
                self._bad = True
            at = self._next(at + 1)
        # what is decided is behind us; a head may still be cut in two at the end
        self._pass(min(undecided, max(0, len(self._buffer) - 2)))
        return None

    def _next(self, begin: int) -> int:
        """Give the next offset at which the reply may begin; -1: none."""
        found = [at for head in self._heads if (at := self._buffer.find(head, begin)) >= 0]
        return min(found, default=-1)

    def _size(self, at: int) -> int | None:
        """Give the length of the frame that would begin at *at*; None: more bytes must come to know."""
        assert self._question is not None
        function = self._buffer[at + 1]
        if function & EXCEPTION:
            return 5
        return identification_size(self._buffer[at:]) if function == IDENTIFY else 5 + self._question.size

    def _take(self, at: int, size: int) -> bytes | None:
        body = self._buffer[at + 1 : at + size - 2]
        if body[0] & EXCEPTION and not body[1]:
            self._bad = True
            self._pass(at + 1)  # code 0 is none
            return self.feed(b"")
        self._pass(at)
        self._buffer = self._buffer[size:]
        self._failed.clear()
        self._question = None
        return body

    def _pass(self, size: int) -> None:
        if not size:
            return
        self._passed += self._buffer[:size]
        self._buffer = self._buffer[size:]
        self._failed = {at - size for at in self._failed if at >= size}
        if len(self._passed) > _KEPT:
            self.tally.noise += len(self._passed) - _KEPT
            self._passed = self._passed[-_KEPT:]

    def _sort_out(self) -> None:
        """Name everything that was passed over, and what came while nothing was asked."""
        if self._buffer or self._passed:
            self._bad = sort(self._passed + self._buffer, self._sent, self._ours, self.tally) or self._bad
            self._buffer = self._passed = b""
        self._failed.clear()


def identification_size(frame: bytes) -> int | None:
    """Give the length of an identification reply with its objects; None: not known yet."""
    if len(frame) < 8:
        return None
    at = 8
    for _ in range(frame[7]):
        if at + 2 > len(frame):
            return None if at < _LONGEST else at
        at += 2 + frame[at + 1]
    return at + 2
