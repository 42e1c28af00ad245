"""Between bytes and samples: what a parser finds, and what a device's hearer makes of it.

All of it is pure: bytes and times are arguments, nothing waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from msgspec import Struct

from agent.core.driver import Reading
from agent.core.sample import Quality, Sample

F = TypeVar("F")
F_co = TypeVar("F_co", covariant=True)
F_contra = TypeVar("F_contra", contravariant=True)

_SLACK: Final = 0.3


class Counts(Struct):
    """What a parser has seen since it began: whole frames, and what was no frame."""

    frames: int = 0
    bad_checksum: int = 0
    malformed: int = 0  # whole, but not as it must be; or longer than it may be
    noise_bytes: int = 0


class Parser(Protocol[F_co]):
    """Finds frames in a stream of bytes that may begin anywhere, break off and be disturbed."""

    @property
    def counts(self) -> Counts:
        """What has been seen so far."""
        ...

    @property
    def hint(self) -> str:
        """What a technician should look at, if the bytes show it."""
        ...

    def feed(self, data: bytes) -> Sequence[F_co]:
        """Take any bytes and give the frames that they complete; never raise, keep only a bounded rest."""
        ...


class Heard(Struct, frozen=True):
    """What a frame says: everything for somebody who asks, and the samples that are new."""

    readings: Sequence[Reading]
    fresh: Sequence[Sample]


class Hearer(Protocol[F_contra]):
    """What one device says."""

    @property
    def name(self) -> str:
        """The device's name."""
        ...

    @property
    def every(self) -> float:
        """Seconds after which it should speak again; 0: it speaks when it likes."""
        ...

    @property
    def points(self) -> Sequence[str]:
        """Full names of all its points."""
        ...

    def hear(self, frame: F_contra, at: float) -> Heard | None:
        """Understand *frame*, which was whole at boot second *at*; None: it is not this device's."""
        ...

    def missed(self) -> Sequence[str]:
        """Note silence; give the full names of the points that it leaves without a value."""
        ...


class Beat:
    """Lets one frame through per interval; the first of each that comes, at no fixed phase."""

    def __init__(self, every: float) -> None:
        self._every = every - _SLACK * min(every, 1.0)  # a beat that comes a little early is one all the same
        self._last: float | None = None

    def due(self, at: float) -> bool:
        """Say whether a frame at *at* is let through."""
        if self._last is not None and at < self._last + self._every:
            return False
        self._last = at
        return True


def bad(point: str, at: float, why: str) -> Sample:
    """Give a sample without a value."""
    return Sample(point, None, at, Quality.BAD, why)
