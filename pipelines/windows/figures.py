"""From a finished cell to its aggregate: the figures, the state, and the reason if the state is not ok.

Suppressed is not zero and zero is not missing: a window in which a point said nothing has no figures at
all. A figure that a point's kind does not have (the mean of a counter) is None.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Final

from agent.core.point import Kind
from agent.core.product import Statistic
from agent.core.record import Aggregate, State
from pipelines.windows.cell import Cell
from pipelines.windows.frame import Frame

_ROUNDING: Final = 1e-6


def aggregate(
    frame: Frame, cell: Cell, statistics: tuple[Statistic, ...], *, coverage: float, synced: bool
) -> Aggregate:
    """Summarise *cell*, which was finished at the end of *frame*; below *coverage* it is partial."""
    width = frame.end - frame.start
    share = min(1.0, cell.observed / width)
    if _empty(cell, share, coverage):
        state, why, share = State.NO_DATA, cell.trouble or cell.gap or "silent", 0.0
        values: tuple[float | None, ...] = (None,) * len(statistics)
    else:
        values = tuple(_FIGURES[one](cell) for one in statistics)
        state, why = _state(cell, share, coverage)
    return Aggregate(
        cell.point.name,
        frame.start,
        width,
        cell.n,
        values,
        state,
        round(share, 4),
        why,
        frame.begin,
        synced,
    )


def _empty(cell: Cell, share: float, coverage: float) -> bool:
    """Say whether nothing can be told: a value held on from before must hold nearly throughout."""
    if cell.n:
        return False
    if cell.point.every <= 0:
        return share <= 0
    return cell.point.kind is Kind.COUNT or share + _ROUNDING < coverage


def _state(cell: Cell, share: float, coverage: float) -> tuple[State, str]:
    """Doubt outweighs a gap: what is missing shows in the coverage as well."""
    if cell.doubt:
        return State.UNCERTAIN, cell.doubt
    if share + _ROUNDING < coverage:
        return State.PARTIAL, cell.gap or cell.trouble or "silent"
    if cell.gap:
        return State.PARTIAL, cell.gap
    return State.OK, ""


def _mean(cell: Cell) -> float | None:
    if cell.counting:
        return None
    if cell.observed > 0:
        mean = cell.area / cell.observed
        # sums of floats may end a hair outside what was measured
        return min(max(mean, cell.low), cell.high) if isfinite(mean) else None
    return cell.sum / cell.n


def _min(cell: Cell) -> float | None:
    return None if cell.counting else cell.low


def _max(cell: Cell) -> float | None:
    return None if cell.counting else cell.high


def _last(cell: Cell) -> float | None:
    return cell.last


def _sum(cell: Cell) -> float | None:
    return None if cell.counting or not isfinite(cell.sum) else cell.sum


def _share(cell: Cell) -> float | None:
    if cell.counting:
        return None
    if cell.observed > 0:
        return min(1.0, cell.nonzero / cell.observed)
    return 1.0 if cell.last else 0.0


def _delta(cell: Cell) -> float | None:
    return cell.delta() if cell.counting else None


_FIGURES: Final[dict[Statistic, Callable[[Cell], float | None]]] = {
    "mean": _mean,
    "min": _min,
    "max": _max,
    "last": _last,
    "sum": _sum,
    "share": _share,
    "delta": _delta,
}
