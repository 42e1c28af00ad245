"""One window that is still open, for all points of a product, in UTC and in boot time."""

from __future__ import annotations

from pipelines.windows.cell import Cell


class Frame:
    """A window: ``start`` and ``end`` in UTC seconds, ``begin`` and ``until`` the same in boot-time seconds.

    ``since`` is the boot time from which its samples come: later than ``begin`` when the stage started in
    the middle of it. ``cells`` holds the points that have gone on to a later window. ``over``: nothing more
    will come; ``synced`` is what an earlier run knew of its label, None for this run's own windows.
    """

    __slots__ = ("begin", "cells", "end", "over", "since", "start", "synced", "until")

    def __init__(self, window: tuple[float, float], offset: float, since: float) -> None:
        self.cells: dict[str, Cell] = {}
        self.since = since
        self.over = False
        self.synced: bool | None = None
        self.label(window, offset)

    def label(self, window: tuple[float, float], offset: float) -> None:
        """Say which window this is, by a clock that is *offset* ahead of boot time."""
        self.start, self.end = window
        self.begin, self.until = self.start - offset, self.end - offset

    def middle(self, now: float) -> float:
        """Give the boot time halfway through what was observed until *now*: it decides a new label."""
        return (self.since + max(self.since, min(self.until, now))) / 2
