"""What stands between a product's records and the gate: its privacy mode at work, with what it must remember.

Four modes are functions of one figure; ``hold`` remembers cells that are too small, ``dp`` noise that was
drawn beforehand. Whatever the mode, the parts of a figure over several sources end here, and events of a
protected product have no way out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from typing import Final, Protocol

from msgspec import convert
from msgspec.structs import replace

from agent.core.catalogue.store import CELLS_LOST
from agent.core.product import Product
from agent.core.record import Aggregate, Record, State
from agent.privacy.laplace import Below
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
    """Start the privacy mode of *product*; *cells* are those that ``taken_over`` gave.

    A mode is imported only where a product has it.
    """
    privacy = product.privacy
    match privacy.mode:
        case "none":
            return _Plain(lambda figure: figure, events=True)
        case "suppress":
            return _Plain(lambda figure: suppress(figure, privacy.k, privacy.round))
        case "min-sources":
            from agent.privacy.sources import enough

            return _Plain(lambda figure: enough(figure, privacy))
        case "hold":
            from agent.privacy.holding import Holding

            return Holding(product, zone, cells)
        case "dp":
            from agent.privacy.drawn import Drawn

            return Drawn(product, below)


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
