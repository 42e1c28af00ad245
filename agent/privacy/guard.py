"""What stands between a product's records and the gate: its privacy mode at work, with what it must remember.

Four modes are functions of one figure; ``hold`` remembers cells that are too small, ``dp`` noise that was
drawn beforehand. Whatever the mode, the parts of a figure over several sources end here, and events of a
protected product have no way out.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from itertools import groupby
from typing import Final, Protocol

from msgspec import convert
from msgspec.structs import replace

from agent.core.catalogue.store import CELLS_LOST
from agent.core.product import Product
from agent.core.record import Aggregate, Record, State
from agent.privacy.hold import Period, hold, period_of
from agent.privacy.laplace import Below, discrete_laplace
from agent.privacy.noise import noisy
from agent.privacy.sources import enough
from agent.privacy.suppress import suppress, withheld

_log = logging.getLogger(__name__)
_CRASH: Final = "crash"


class Guard(Protocol):
    """One product's privacy at work."""

    @property
    def waiting(self) -> bool:
        """Whether figures of earlier ticks can be told now."""
        ...

    def protect(self, records: Iterable[Record]) -> list[Record]:
        """Give what may be told of *records*, and of what has waited."""
        ...

    def prepare(self) -> None:
        """Get ready for the next slot; called in a tick in which the product tells nothing."""
        ...

    def finish(self, *, stopping: bool) -> list[Record]:
        """Give what is left to tell at the end; *stopping*: what ``save`` writes down may wait on."""
        ...

    def save(self, *, stopping: bool) -> list[Aggregate]:
        """Give the cells that wait, as far as they may be written down."""
        ...


def guard_of(product: Product, zone: tzinfo, below: Below, cells: Sequence[Aggregate] = ()) -> Guard:
    """Start the privacy mode of *product*; *cells* are those that ``taken_over`` gave."""
    privacy = product.privacy
    match privacy.mode:
        case "none":
            return _Plain(lambda figure: figure, events=True)
        case "suppress":
            return _Plain(lambda figure: suppress(figure, privacy.k, privacy.round))
        case "min-sources":
            return _Plain(lambda figure: enough(figure, privacy))
        case "hold":
            return _Holding(product, period_of(privacy.longest, zone), cells)
        case "dp":
            return _Noisy(product, below)


def taken_over(product: Product, saved: object | None) -> tuple[list[Aggregate], list[Record]]:
    """Understand what a run before saved of *product*: cells that wait on, and those that must be told.

    A cell whose count was not written down died with its process: it has no data, and says why. One that
    this product cannot hold any more is told as suppressed. What already was to be told is told.
    """
    try:
        cells = convert(saved or [], list[Aggregate])
    except ValueError as error:
        CELLS_LOST.tell(_log, product.id, error, PRODUCT=product.id)
        return [], []
    names, size = {point.name for point in product.published}, len(product.statistics)
    waiting: list[Aggregate] = []
    told: list[Record] = []
    for cell in (one for one in cells if one.point in names):
        nothing: tuple[float | None, ...] = (None,) * size
        if cell.state in (State.NO_DATA, State.SUPPRESSED):
            told.append(replace(cell, values=nothing))
        elif not cell.values:
            told.append(replace(cell, n=0, values=nothing, state=State.NO_DATA, coverage=0.0, why=_CRASH))
        elif product.privacy.mode == "hold" and len(cell.values) == size:
            waiting.append(cell)
        else:
            told.append(withheld(replace(cell, values=nothing)))
    return waiting, told


class _Plain:
    """A mode that needs no memory."""

    waiting = False

    def __init__(self, judge: Callable[[Aggregate], Aggregate], *, events: bool = False) -> None:
        self._judge = judge
        self._events = events

    def protect(self, records: Iterable[Record]) -> list[Record]:
        told: list[Record] = []
        for one in records:
            if isinstance(one, Aggregate):
                judged = self._judge(one)
                told.append(replace(judged, parts=()) if judged.parts else judged)
            elif self._events:
                told.append(one)
        return told

    def prepare(self) -> None:
        """Nothing has to be ready."""

    def finish(self, *, stopping: bool) -> list[Record]:
        return []

    def save(self, *, stopping: bool) -> list[Aggregate]:
        return []


class _Holding:
    """Cells that are too small so far, by point."""

    waiting = False  # they wait for windows, not for ticks

    def __init__(self, product: Product, period: Period, cells: Iterable[Aggregate]) -> None:
        self._privacy = product.privacy
        self._period = period
        self._open = {one.name for one in product.published if not one.tells_of_few}
        self._cells = {one.point: one for one in cells}

    def protect(self, records: Iterable[Record]) -> list[Record]:
        told: list[Record] = []
        for one in records:
            if not isinstance(one, Aggregate):
                continue
            figure = replace(one, parts=()) if one.parts else one
            ready, cell = hold(self._cells.pop(one.point, None), figure, self._privacy, self._period)
            told += ready
            if cell is not None:
                self._cells[one.point] = cell
        return told

    def prepare(self) -> None:
        """Nothing has to be ready."""

    def finish(self, *, stopping: bool) -> list[Record]:
        ends = [one for one in self._cells.values() if not (stopping and self._may_be_kept(one))]
        for one in ends:
            del self._cells[one.point]
        return [withheld(one) for one in ends]

    def save(self, *, stopping: bool) -> list[Aggregate]:
        """Write counts down at a clean stop only, and never those of few people; else only from when to when.

        So a crash can be told of, although what was counted is gone with the process.
        """
        return [
            one if stopping and self._may_be_kept(one) else replace(one, n=None, values=())
            for one in self._cells.values()
        ]

    def _may_be_kept(self, cell: Aggregate) -> bool:
        return cell.point in self._open and cell.synced


class _Noisy:
    """Noise for the next slot, drawn before its figures exist, and slots that found none.

    Only ``prepare`` draws. So when a slot is told does not depend on its noise, however long drawing took.
    """

    def __init__(self, product: Product, below: Below) -> None:
        self._privacy = product.privacy
        self._names = [point.name for point in product.published]
        self._size = len(product.statistics)
        self._below = below
        self._ready: dict[str, list[int]] | None = None
        self._slots: deque[list[Aggregate]] = deque()
        self.prepare()

    @property
    def waiting(self) -> bool:
        return bool(self._slots) and self._ready is not None

    def protect(self, records: Iterable[Record]) -> list[Record]:
        figures = [one for one in records if isinstance(one, Aggregate)]
        self._slots += [list(slot) for _, slot in groupby(figures, lambda one: one.start)]
        if not self._slots or self._ready is None:
            return []  # several windows at once after a standstill: one at each tick that has noise
        noise, self._ready = self._ready, None
        return [
            noisy(replace(one, parts=()), noise[one.point], self._privacy) for one in self._slots.popleft()
        ]

    def prepare(self) -> None:
        if self._ready is None:
            scale, below = self._privacy.scale, self._below
            self._ready = {
                name: [discrete_laplace(scale, below) for _ in range(self._size)] for name in self._names
            }

    def finish(self, *, stopping: bool) -> list[Record]:
        del stopping  # what waits has closed already: the next run could only tell it later
        told: list[Record] = []
        while self._slots:
            self.prepare()
            told += self.protect(())
        return told

    def save(self, *, stopping: bool) -> list[Aggregate]:
        return []
