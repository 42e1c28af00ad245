"""Figures over several homes or workplaces: told when enough of them stand behind it and none dominates.

The rules are those of energy statistics: so many customers, and none of them above a share of the whole
(15/15: fifteen, none above 15 %). A whole of zero is withheld: it would say zero of each.
"""

from __future__ import annotations

from agent.core.product import Privacy
from agent.core.record import Aggregate, State
from agent.privacy.suppress import withheld


def enough(figure: Aggregate, privacy: Privacy) -> Aggregate:
    """Withhold *figure* unless each of its values is made of enough sources, none of them too large."""
    if figure.state is State.NO_DATA:
        return figure
    told = [place for place, value in enumerate(figure.values) if value is not None]
    if told and all(_is_mixed([part[place] for part in figure.parts], privacy) for place in told):
        return figure
    return withheld(figure)


def _is_mixed(parts: list[float | None], privacy: Privacy) -> bool:
    sizes = [abs(part) for part in parts if part is not None]
    whole = sum(sizes)
    return len(sizes) >= privacy.min_sources and 0 < max(sizes) <= privacy.max_share * whole
