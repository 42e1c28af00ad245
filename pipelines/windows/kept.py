"""What a window stage remembers beyond its process, as plain JSON values.

Counter readings, so that ``delta`` covers an outage; which windows were published; and, after a clean
stop, the open windows. Never an open window of a personal point: it lives in memory only.
"""

from __future__ import annotations

from math import inf
from typing import Any

from msgspec import Struct, convert, json
from msgspec.structs import replace

from agent.core.clock import Instant
from pipelines.windows.cell import Cell
from pipelines.windows.counter import Counter


class KeptCell(Struct, frozen=True, omit_defaults=True):
    """A cell with its stamps in UTC."""

    since: float
    n: int = 0
    sum: float = 0.0
    area: float = 0.0
    observed: float = 0.0
    nonzero: float = 0.0
    low: float | None = None
    high: float | None = None
    last: float | None = None
    held: float | None = None
    until: float = 0.0
    base: float | None = None
    first: bool = False
    reading: float | None = None
    read_at: float = 0.0
    extra: float = 0.0
    doubt: str = ""
    shaky: str = ""
    gap: str = ""
    trouble: str = ""
    opened: bool = False
    meter: str = ""
    parted: bool = False


class KeptFrame(Struct, frozen=True):
    """An open window: its start and end, whether its label can be trusted, and its points."""

    start: float
    end: float
    synced: bool
    cells: dict[str, KeptCell]


class Kept(Struct, frozen=True):
    """Everything that a later start can go on from; ``counters`` are readings and when they were taken.

    ``meters`` says of which meter they are, where that is known. ``at`` is when it was written; like every
    stamp here it is in UTC seconds.
    """

    length: str
    at: float
    counters: dict[str, tuple[float, float]]
    published: list[tuple[float, float]]
    open: list[KeptFrame]
    meters: dict[str, str] = {}


def read(saved: object) -> Kept:
    """Understand what ``write`` gave; raise ValueError if it is anything else."""
    return convert(saved, Kept)


def write(kept: Kept) -> Any:  # noqa: ANN401 - plain JSON values
    """Give *kept* as plain JSON values."""
    return json.decode(json.encode(kept))


def pack(cell: Cell, now: Instant) -> KeptCell:
    """Write *cell* down; a value that would hold for ever holds until *now*."""
    offset = now.offset
    kept = KeptCell(
        since=cell.since + offset,
        n=cell.n,
        sum=cell.sum,
        area=cell.area,
        observed=cell.observed,
        nonzero=cell.nonzero,
        low=None if cell.low == inf else cell.low,
        high=None if cell.high == -inf else cell.high,
        last=cell.last,
        held=cell.held,
        until=now.utc if cell.until == inf else cell.until + offset,
        doubt=cell.doubt,
        shaky=cell.shaky,
        gap=cell.gap,
        trouble=cell.trouble,
        opened=cell.opened,
    )
    if not isinstance(cell, Counter):
        return kept
    return replace(
        kept,
        base=cell.base,
        first=cell.first,
        reading=cell.reading,
        read_at=0.0 if cell.reading is None else cell.read_at + offset,
        extra=cell.extra,
        meter=cell.meter,
        parted=cell.parted,
    )


def unpack(kept: KeptCell, cell: Cell, now: Instant) -> None:
    """Let *cell*, which is new, go on from where *kept* was."""
    offset = now.offset
    cell.opened = kept.opened
    # the time of day may have been set back in between: nothing was seen in the future
    cell.since = min(max(cell.since, kept.since - offset), max(cell.since, now.boot))
    cell.n, cell.sum = kept.n, kept.sum
    cell.area, cell.observed, cell.nonzero = kept.area, kept.observed, kept.nonzero
    cell.low = inf if kept.low is None else kept.low
    cell.high = -inf if kept.high is None else kept.high
    cell.last, cell.held, cell.until = kept.last, kept.held, kept.until - offset
    if isinstance(cell, Counter):
        cell.base, cell.first, cell.extra = kept.base, kept.first, kept.extra
        cell.reading, cell.read_at = kept.reading, kept.read_at - offset
        cell.meter, cell.parted = kept.meter, kept.parted
    cell.doubt, cell.shaky, cell.gap, cell.trouble = kept.doubt, kept.shaky, kept.gap, kept.trouble
