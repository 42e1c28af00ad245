"""Small counts wait for the next window: cells of variable width, each of which covers at least k passages.

Cells never overlap, so nothing can be found by subtracting one from another, and a passage is told late
rather than never. A cell consists of windows that follow each other without a break, and never crosses the
end of the site's day (week, month): what is still too small then is told as suppressed. So is what has to be
given up earlier, because a window has no data, the clock was set, or the product ends.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import UTC, datetime, tzinfo
from typing import Final

from msgspec.structs import replace

from agent.core.product import Longest, Privacy
from agent.core.record import Aggregate, State
from agent.privacy.suppress import reaches, rounded, withheld

Period = Callable[[float], Hashable]
"""Names the day (week, month) of the site that a moment in UTC seconds lies in."""
_TOUCH: Final = 1e-3  # seconds; ends of windows are sums of floats


def hold(
    waiting: Aggregate | None, figure: Aggregate, privacy: Privacy, period: Period
) -> tuple[list[Aggregate], Aggregate | None]:
    """Give what can be told now that the window *figure* has closed, and the cell that waits on.

    *waiting* is the cell that waited until now: windows before this one, together below k.
    """
    told: list[Aggregate] = []
    if waiting is not None and not _follows(waiting, figure):
        told, waiting = [withheld(waiting)], None
    if figure.state is State.NO_DATA:
        return [*told, figure], None
    cell = figure if waiting is None else joined(waiting, figure)
    if reaches(cell.values, privacy.k):
        return [*told, rounded(cell, privacy.round) if privacy.round else cell], None
    if period(cell.start + cell.width) != period(cell.start):
        return [*told, withheld(cell)], None
    return told, cell


def joined(earlier: Aggregate, later: Aggregate) -> Aggregate:
    """Make one cell of two that touch; doubt about one is doubt about both."""
    width = earlier.width + later.width
    seen = earlier.coverage * earlier.width + later.coverage * later.width
    states = {earlier.state, later.state}
    worst = (one for one in (State.UNCERTAIN, State.PARTIAL) if one in states)
    return replace(
        earlier,
        width=width,
        n=None if earlier.n is None or later.n is None else earlier.n + later.n,
        values=tuple(map(_sum, earlier.values, later.values)),
        state=next(worst, State.OK),
        coverage=round(seen / width, 4),
        why=earlier.why or later.why,
    )


def period_of(longest: Longest, zone: tzinfo) -> Period:
    """Make what names the site's days, weeks or months."""

    def period(utc: float) -> Hashable:
        day = datetime.fromtimestamp(utc, UTC).astimezone(zone).date()
        match longest:
            case "day":
                return day
            case "week":
                return day.isocalendar()[:2]
            case "month":
                return day.year, day.month

    return period


def _follows(waiting: Aggregate, figure: Aggregate) -> bool:
    """Say whether *figure* goes on where *waiting* ended, by the same clock, and has anything to tell."""
    touches = abs(figure.start - waiting.start - waiting.width) <= _TOUCH
    return touches and figure.synced == waiting.synced and figure.state is not State.NO_DATA


def _sum(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other
