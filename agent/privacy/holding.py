"""The mode ``hold`` at work: remembers cells that are too small so far; see ``agent.privacy.guard.Guard``.

Counts are written down at a clean stop only, and never those of few people.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo

from msgspec.structs import replace

from agent.core.product import Product
from agent.core.record import Aggregate, Record
from agent.privacy.hold import hold, period_of
from agent.privacy.suppress import withheld


class Holding:
    """Cells that are too small so far, by point."""

    waiting = False  # they wait for windows, not for ticks

    def __init__(self, product: Product, zone: tzinfo, cells: Iterable[Aggregate]) -> None:
        self._privacy = product.privacy
        self._period = period_of(product.privacy.longest, zone)
        self._open = {one.name for one in product.published if not one.tells_of_few}
        self._cells = {one.point: one for one in cells}

    def protect(self, records: Iterable[Record]) -> list[Record]:
        """Give what may be told of *records*, and of what has waited."""
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
        """Give what is left to tell at the end."""
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
