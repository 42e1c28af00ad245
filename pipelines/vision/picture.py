"""What a source of pictures gives: the seam between capture and counting.

A source (a clip, later a camera) is an iterator of pictures. A picture is turned into colours only when it is
asked for them, at the size that is asked for, so that frames that are not analysed cost their decoding alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from pipelines.vision.arrays import Pixels


class Picture(Protocol):
    """One moment of a camera; ``at`` in seconds from any origin, later pictures never before earlier ones."""

    @property
    def at(self) -> float:
        """When it was taken."""
        ...

    @property
    def width(self) -> int:
        """Columns, as delivered."""
        ...

    @property
    def height(self) -> int:
        """Rows, as delivered."""
        ...

    def bgr(self, width: int, height: int) -> Pixels:
        """Scale it to *width* by *height*, in blue, green and red."""
        ...


class Source(Protocol):
    """Whatever gives pictures, one after the other; raises DriverError when it cannot go on."""

    def __iter__(self) -> Iterator[Picture]:
        """Give the pictures that are to be analysed, in the order of time."""
        ...
