"""No recipient is told anything more often than its grant says.

Made-up grants whose windows come more often than their rate, or whose rate nobody could keep, must be
refused. A made-up boiler then goes above its limit and back, time and again: by the grant with a rate no more
events may be cleared in an hour than it says, while one without a rate gets them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.core.record import Event
from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.rehearsal import IN_A_WINDOW, cleared_by
from agent.prove.scene import Scene

_FAMILIES: Final = ("oftener",)
_PRODUCT: Final = "alarms"
_MINUTES: Final = 20


def prove(scene: Scene) -> Outcome:
    """Plant grants that are too slow for what they grant, and let a boiler alarm too often."""
    faults = [*planted.let_in(scene.parts, *_FAMILIES), *_fluttering(scene)]
    rates = [f"{one.id} {one.rate}" for one in scene.plan.routes if one.rate]
    own = ", ".join(rates) or "none, so events leave as they happen"
    return judged(
        faults,
        f"{planted.count(*_FAMILIES)} grants were refused, and of {_MINUTES * IN_A_WINDOW - 1} events in an"
        " hour no more left than the rate says.",
        f"Rates of this site: {own}.",
    )


def _fluttering(scene: Scene) -> list[str]:
    """Say for whom more events were cleared in an hour than the grant lets out, or fewer than happened."""
    plan = planted.alarms(scene.parts)
    cleared = cleared_by(plan, _above_and_below, scene.parts, scene.now, windows=_MINUTES)
    faults = []
    for route in plan.routes:
        told = [one for each in cleared if each.route.id == route.id for one in each.records]
        events = sum(isinstance(one, Event) for one in told)
        if route.rate and events > route.rate.count:
            faults.append(f"{route.id} was told {events} events in an hour; its grant says {route.rate}.")
        if not route.rate and route.product == _PRODUCT and events < _MINUTES:
            faults.append(f"{route.id} was told {events} events only: nothing can be concluded from that.")
    return faults


def _above_and_below(window: int, reading: int) -> Mapping[str, float]:
    number = window * IN_A_WINDOW + reading
    return {"boiler.temperature": 90.0 if number % 2 else 20.0}
