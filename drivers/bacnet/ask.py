"""Asks one device for any number of properties, in as few requests as its answers allow, one at a time.

How much fits is estimated from what the device accepts, halved when it says that this was too much, and
remembered. A property that costs the device its whole answer is found and asked for alone. It never asks
anything twice that was answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from drivers.bacnet.names import PROPERTIES
from drivers.bacnet.peer import Peer
from drivers.bacnet.stack import RefusedError, SilentError, Stack
from drivers.bacnet.value import Answer, Fault, Ref, Value

_HEAD: Final = 12
_USUAL: Final = 480
_MOST: Final = 1476
_BYTES: Final = {
    PROPERTIES["object-name"]: 40,
    PROPERTIES["description"]: 48,
    PROPERTIES["active-text"]: 24,
    PROPERTIES["inactive-text"]: 24,
    PROPERTIES["state-text"]: 160,
    PROPERTIES["object-list"]: 16,
}
_SMALL: Final = 16
_TOO_MUCH: Final = {
    "abort": (1, 4, 9, 11),  # buffer overflow, segmentation not supported, out of resources, too long
    "error": (51, 54, 123, 125),
    "reject": (1, 7),  # buffer overflow, too many arguments
}
_UNRECOGNIZED: Final = Fault("reject", 9)


class Asker:
    """What is learnt of one device while it is asked."""

    def __init__(self, stack: Stack, peer: Peer, max_apdu: int = _USUAL) -> None:
        self._stack = stack
        self.peer = peer
        self._room = max(1, min(max_apdu, _MOST) - _HEAD)
        self._one_by_one = False

    async def read(self, refs: Sequence[Ref]) -> list[Answer]:
        """Give an answer or a fault for each of *refs*, in their order; raise SilentError."""
        found: dict[Ref, Answer] = {}
        waiting = list(dict.fromkeys(refs))
        while waiting:
            chunk = self._fitting(waiting)
            waiting = waiting[len(chunk) :]
            found.update(await self._chunk(chunk))
        return [found[ref] for ref in refs]

    async def array(self, ref: Ref) -> tuple[Value, ...]:
        """Read an array, whole or element by element; raise RefusedError when it can be had in no way."""
        try:
            whole = await self._stack.read(self.peer, ref)
        except RefusedError as error:
            if not _is_too_much(error.fault):
                raise
        else:
            return whole if isinstance(whole, tuple) else (whole,)
        size = await self._stack.read(self.peer, Ref(ref.object, ref.property, 0))
        if not isinstance(size, int) or not 0 <= size <= 65535:
            raise RefusedError(Fault("garbled"))
        answers = await self.read([Ref(ref.object, ref.property, at) for at in range(1, size + 1)])
        return tuple(one for one in answers if not isinstance(one, Fault))

    def _fitting(self, waiting: Sequence[Ref]) -> list[Ref]:
        """Take from the front what one answer holds, at least one."""
        room = self._room
        chunk: list[Ref] = []
        for ref in waiting[: 1 if self._one_by_one else len(waiting)]:
            room -= _bytes(ref, chunk[-1] if chunk else None)
            if chunk and room < 0:
                break
            chunk.append(ref)
        return chunk

    async def _chunk(self, chunk: Sequence[Ref]) -> dict[Ref, Answer]:
        if len(chunk) == 1:
            return {chunk[0]: await self._alone(chunk[0])}
        try:
            answers = await self._stack.read_many(self.peer, chunk)
        except RefusedError as error:
            if error.fault == _UNRECOGNIZED:
                self._one_by_one = True
                return {ref: await self._alone(ref) for ref in chunk}
            if _is_too_much(error.fault):
                self._halve(chunk)
                return dict(zip(chunk, await self.read(chunk), strict=True))
        except SilentError:
            # some say nothing to what is too long for them; one that is gone says nothing to this either
            self._halve(chunk)
            first, rest = {chunk[0]: await self._alone(chunk[0])}, chunk[1:]
            return first | dict(zip(rest, await self.read(rest), strict=True))
        else:
            return dict(zip(chunk, answers, strict=True))
        half = len(chunk) // 2
        return await self._chunk(chunk[:half]) | await self._chunk(chunk[half:])

    def _halve(self, chunk: Sequence[Ref]) -> None:
        """Ask for half of *chunk* at most from now on: it was too much."""
        size = sum(_bytes(ref, before) for before, ref in pairwise((None, *chunk)) if ref is not None)
        self._room = max(1, min(self._room, size) // 2)

    async def _alone(self, ref: Ref) -> Answer:
        try:
            return await self._stack.read(self.peer, ref)
        except RefusedError as error:
            return error.fault


def _bytes(ref: Ref, before: Ref | None) -> int:
    """Guess how many bytes the answer for *ref* takes behind that for *before*."""
    same = before is not None and before.object == ref.object
    return _BYTES.get(ref.property, _SMALL) + (0 if same else 7)


def _is_too_much(fault: Fault) -> bool:
    return fault.code in _TOO_MUCH.get(fault.kind, ())
