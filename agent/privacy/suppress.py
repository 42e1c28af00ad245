"""Suppression of small counts, as official statistics do it (ONS 10/5 rule, OECD threshold rules).

A count below k is withheld, and zero too: otherwise "suppressed" would say that someone was there.
What it promises is "every published count covers at least k passages", not k persons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec.structs import replace

from agent.core.record import Aggregate, State


def suppress(figure: Aggregate, k: int, base: int = 0) -> Aggregate:
    """Withhold every value and the number of samples unless each value is a count of at least *k*.

    What is told is rounded to multiples of *base*, if there is one, and the number of samples is withheld
    then: for a counter that speaks when somebody passes it is the count itself. Windows without data stay
    ``no_data``: that nobody looked says nothing about anyone. Coverage and its reason stay too, because
    they tell about the device.
    """
    if figure.state is State.NO_DATA:
        return figure
    if not reaches(figure.values, k):
        return withheld(figure)
    return rounded(figure, base) if base else figure


def reaches(values: Sequence[float | None], k: int) -> bool:
    """Say whether there is a value and none is below *k*."""
    told = [value for value in values if value is not None]
    return bool(told) and all(value >= k for value in told)


def withheld(figure: Aggregate) -> Aggregate:
    """Give *figure* without anything that was counted."""
    nothing: tuple[float | None, ...] = (None,) * len(figure.values)
    return replace(figure, n=None, values=nothing, state=State.SUPPRESSED)


def rounded(figure: Aggregate, base: int) -> Aggregate:
    """Give *figure* in multiples of *base*; halves go up, so that k, itself a multiple, is never undercut."""
    values = tuple(None if one is None else math.floor(one / base + 0.5) * base for one in figure.values)
    return replace(figure, n=None, values=values)
