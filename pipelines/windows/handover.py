"""How windows go from one run to the next: the first cells of a run, fresh or out of what was kept."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from agent.core.clock import Instant
from agent.core.point import Point
from pipelines.windows.cell import Cell
from pipelines.windows.counter import Counter, cell_of
from pipelines.windows.frame import Frame
from pipelines.windows.kept import KeptFrame, unpack


def fresh(point: Point, frame: Frame, base: tuple[float, float, str] | None) -> Cell:
    """Make the first cell of a run; *base* is the counter's last published reading, when it was, and whose.

    Unless the run began with the window, the window is incomplete.
    """
    cell = cell_of(point, frame.begin, frame.until)
    if frame.since > frame.begin:
        cell.gap = "started"
    if base is not None and isinstance(cell, Counter):
        reading, at, cell.meter = base
        cell.rest(reading, at)
        _restarted(cell, frame)
    return cell


def after(cell: Cell, frame: Frame, *, stopped: float) -> Cell:
    """Make the first cell of a run out of the last one of the run before, whose window had ended.

    Nothing is missing if that run *stopped* (UTC seconds) when this window had begun.
    """
    new = cell.next(frame.begin, frame.until)
    if stopped < frame.start and frame.since > frame.begin:
        new.gap = "started"
    _restarted(new, frame)
    return new


def restore(
    kept: KeptFrame, points: Mapping[str, Point], now: Instant, *, stopped: float
) -> tuple[Frame, dict[str, Cell]]:
    """Give a window of the run before, and its cells; one that was still open when it *stopped* has a gap.

    The window is over: whoever finds that it is still open takes the cells alone.
    """
    frame = Frame((kept.start, kept.end), now.offset, kept.start - now.offset)
    frame.over, frame.synced = True, kept.synced
    cells: dict[str, Cell] = {}
    for name, old in kept.cells.items():
        if (point := points.get(name)) is not None:
            cells[name] = cell = cell_of(point, frame.begin, frame.until)
            unpack(old, cell, now)
    if stopped < kept.end and not kept.start <= now.utc < kept.end:
        for cell in cells.values():
            cell.gap = cell.gap or "stopped"
    return frame, cells


def unseen(point: Point, frame: Frame) -> Cell:
    """Make the cell of a point of which the run before told nothing."""
    cell = cell_of(point, frame.begin, frame.until)
    cell.gap = "stopped"
    return cell


def _restarted(cell: Cell, frame: Frame) -> None:
    """Say so if the first increment covers more than this window."""
    grace = cell.limit if isfinite(cell.limit) else 0.0
    if isinstance(cell, Counter) and cell.reading is not None and cell.read_at + grace < frame.begin:
        cell.stale = "restart"
