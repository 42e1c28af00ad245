"""Holds packets back until a picture is wanted, so that they are decoded in one go.

Four of five pictures of a camera are decoded only because the next one builds on them. One by one, each would
find the processor busy with something else. Where no picture builds on another they are not decoded at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar


class Sized(Protocol):
    """What is known of a packet: an empty one makes the decoder give what it has left."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...


Packet = TypeVar("Packet", bound=Sized)
_LONGEST: Final = 1.0  # seconds for which packets are held, at most
_STEADY: Final = 0.1  # share of the newest gap in the usual one


class Burst(Generic[Packet]):
    """The packets of one stream that wait; *alone*: each holds a whole picture."""

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._held: list[Packet] = []
        self._since: float | None = None  # when the first of them came
        self._before: float | None = None  # when the latest came
        self._gap = _LONGEST  # between two: nothing is held before that is known

    def take(self, packet: Packet, at: float, due: float) -> Sequence[Packet]:
        """Hold *packet*, which came *at*; give all if a picture is *due* before the next one comes."""
        if self._before is not None:
            self._gap += _STEADY * (at - self._before - self._gap)
        self._before = at
        if self._since is None:
            self._since = at
        if self._alone and packet.size:
            self._held.clear()
        self._held.append(packet)
        if packet.size and at + self._gap < due and at - self._since < _LONGEST:
            return ()
        ready, self._held, self._since = self._held, [], None
        return ready
