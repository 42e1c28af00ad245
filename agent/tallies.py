"""Running totals for a person who counts the same: half an hour at most, then they end by themselves.

They are plain counts of people below any threshold, so they stay on this computer: they are told on the
control socket alone. Every period is logged, and listed for good, for `citygate report privacy`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct, ValidationError, convert, to_builtins

from agent.core.catalogue.gateway import TALLY_ENDED, TALLY_OPENED
from agent.core.clock import Instant
from agent.core.errors import GatewayError
from agent.core.plan import Link
from agent.core.point import Kind, Point
from agent.core.sample import Quality, Sample

KEY: Final = "~tallies"  # no product is called so
LENGTH: Final = 1800.0
_REST: Final = 30.0  # seconds for the last samples of a period to come
_REMEMBERED: Final = 900.0  # seconds for which an ended one can still be asked for
_MOST: Final = 500

_log = logging.getLogger(__name__)


class Store(Protocol):
    """What is needed of the outbox."""

    def save(self, product: str, state: object) -> None:
        """Keep plain JSON values with the next commit."""
        ...

    def saved(self, product: str) -> object | None:
        """Give what was kept last."""
        ...


class Period(Struct, frozen=True, kw_only=True):
    """One period: which link, from when to when (UTC seconds), and how many points were told of."""

    link: str
    begin: float
    end: float
    points: int


class _Open:
    """A period, its sums, and of which cells each point was told."""

    def __init__(self, period: Period, points: Sequence[Point], cell: float) -> None:
        self.period = period
        self.cell = cell
        self.ended = False
        self.cells: dict[str, set[int]] = {one.name: set() for one in points}
        self.sums = {one.name: 0.0 for one in points}
        self.unknown: set[str] = set()
        self.last = period.begin

    def counts(self, now: float) -> dict[str, float | None]:
        """Give the sums; None where a cell that is over was not told of: unknown is never zero."""
        over = (min(now - _REST, self.period.end) - self.period.begin) // self.cell
        return {
            name: None if name in self.unknown or len(self.cells[name]) < over else number
            for name, number in self.sums.items()
        }


class Tallies:
    """The periods of a gateway, at most one of each link."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[str, _Open] = {}
        self._list = listed(store.saved(KEY))

    def open(self, link: Link, now: Instant) -> dict[str, Any]:
        """Open a period, or go on with the one that is open; give what it has come to."""
        self.tick(now)
        points = [one for one in link.driver.points() if one.kind is Kind.COUNT and one.personal and one.cell]
        if not points:
            raise GatewayError(f"link {link.name} counts nobody: only a camera with a line or a zone does")
        known = self._open.get(link.name)
        if known is None or known.ended:
            cell = max(one.cell for one in points)
            begin = (now.utc // cell + 1) * cell
            period = Period(
                link=link.name, begin=begin, end=begin + max(1, LENGTH // cell) * cell, points=len(points)
            )
            self._open[link.name] = _Open(period, points, cell)
            self._list = [*self._list, period][-_MOST:]
            self._store.save(KEY, to_builtins(self._list))
            TALLY_OPENED.tell(_log, link.name, round((period.end - now.utc) / 60), LINK=link.name)
        return self.look(link.name, now)

    def look(self, link: str, now: Instant) -> dict[str, Any]:
        """Give what the period of *link* has come to; raise GatewayError when there is none."""
        self.tick(now)
        if (known := self._open.get(link)) is None:
            raise GatewayError(f"no running totals are open for link {link}")
        return {
            **to_builtins(known.period),
            "now": now.utc,
            "until": min(known.last, known.period.end),
            "ended": known.ended,
            "counts": known.counts(now.utc),
        }

    def observe(self, link: str, samples: Iterable[Sample], now: Instant) -> None:
        """Add what came of *link*, as far as it is of the period."""
        if (known := self._open.get(link)) is None or known.ended:
            return
        for one in samples:
            at = one.at + now.offset
            if one.point not in known.sums or not known.period.begin <= at < known.period.end:
                continue
            known.last = max(known.last, now.utc)
            known.cells[one.point].add(int((at - known.period.begin) // known.cell))
            if one.value is None or one.quality is Quality.BAD:
                known.unknown.add(one.point)
            else:
                known.sums[one.point] += one.value

    def tick(self, now: Instant) -> None:
        """End what is over, and forget what ended long ago."""
        for name, one in list(self._open.items()):
            if not one.ended and now.utc >= one.period.end + _REST:
                one.ended = True
                TALLY_ENDED.tell(_log, name, LINK=name)
            if now.utc >= one.period.end + _REMEMBERED:
                del self._open[name]


def listed(kept: object) -> list[Period]:
    """Read the list of periods as it was kept."""
    try:
        return convert(kept or [], list[Period])
    except ValidationError:
        return []
