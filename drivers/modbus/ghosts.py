"""Tells replies apart where nothing but their length can: after a timeout, on a link without numbers.

A reply that comes after its timeout would be taken for the answer to the next question, and every later
value with it. So each question that was given up stays behind as a ghost, and a new one to the same unit
must ask for a reply of another length. Pure: told what happened, it says what may be asked.

* A data reply of the newest length shows that all older ones are behind (a line answers in order).
* An exception has no length: while a ghost of its function exists, it proves nothing.
* Where no length is free, or ghosts are too many, the unit must be left in peace until the line is empty.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from drivers.modbus.point import BIT_TABLES
from drivers.modbus.request import Request, bytes_of

_MOST: Final = 8
_ECHO: Final = 3  # a reply with so many bytes of data is as long as a request
_LAST: Final = 0x10000


class Ghosts:
    """What one unit may still answer: function and bytes of data, and when each was asked."""

    def __init__(self) -> None:
        self._asked: dict[tuple[int, int], float] = {}

    @property
    def too_many(self) -> bool:
        """Whether only silence helps."""
        return len(self._asked) > _MOST

    @property
    def newest(self) -> float:
        """When the latest of them was asked."""
        return max(self._asked.values(), default=0.0)

    def told_apart(self, request: Request) -> Request | None:
        """Give *request*, lengthened where its reply could be taken for an older one; None: impossible."""
        if not self._asked and not _like_an_echo(request, request.count):
            return request
        for count in (request.count, *request.longer):
            key = (request.function, bytes_of(request.table, count))
            if key not in self._asked and not _like_an_echo(request, count):
                return request if count == request.count else replace(request, count=count, longer=())
        return None

    def doubts(self, request: Request) -> bool:
        """Say whether an exception might answer something older than *request*."""
        return any(function == request.function for function, _ in self._asked)

    def given_up(self, request: Request, at: float) -> None:
        """Note that the reply to *request* may still come; *at* is when it was asked."""
        self._asked[request.function, request.reply_bytes] = at

    def clear(self) -> None:
        """Note that nothing older can come any more."""
        self._asked.clear()


def _like_an_echo(request: Request, count: int) -> bool:
    """Say whether a line that echoes our request would seem to answer it: three bytes of bits, as asked."""
    return (
        request.table in BIT_TABLES
        and bytes_of(request.table, count) == _ECHO
        and request.start >> 8 == _ECHO
    )


def longer(request: Request, ends: tuple[int, ...], most: int) -> tuple[int, ...]:
    """List the counts to which *request* may grow: up to each of *ends*, no reply of the same size twice.

    *ends* are addresses behind values, *most* the device's limit.
    """
    found: dict[int, int] = {}
    for end in sorted(ends):
        count = end - request.start
        if request.count < count <= most and end <= _LAST:
            found.setdefault(bytes_of(request.table, count), count)
    found.pop(request.reply_bytes, None)
    return tuple(found.values())
