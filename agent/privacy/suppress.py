"""Suppression of small counts, as official statistics do it (ONS 10/5 rule, OECD threshold rules).

A count below k is withheld, and zero too: otherwise "suppressed" would say that someone was there.
What it promises is "every published count covers at least k passages", not k persons.
"""

from __future__ import annotations

from msgspec.structs import replace

from agent.core.record import Aggregate, State


def suppress(figure: Aggregate, k: int) -> Aggregate:
    """Withhold every value and the number of samples unless each value is a count of at least *k*.

    Windows without data stay ``no_data``: that nobody looked says nothing about anyone. Coverage and its
    reason stay too, because they tell about the device.
    """
    if figure.state is State.NO_DATA:
        return figure
    if all(value is not None and value >= k for value in figure.values):
        return figure
    withheld: tuple[float | None, ...] = (None,) * len(figure.values)
    return replace(figure, n=None, values=withheld, state=State.SUPPRESSED)
