"""A raw reading cannot be sent: the outbox takes what the gate has cleared, and nothing else.

Readings, figures and objects that look like cleared ones are handed to a made-up outbox; every one of them
must be refused. Who writes new program code into the gateway is beyond this proof: that is what reviews and
signed releases are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

from agent.core.plan import Plan
from agent.core.record import Aggregate
from agent.core.sample import Sample
from agent.gate import Cleared
from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.rehearsal import MadeClock
from agent.prove.scene import Scene

_CAP: Final = 1 << 20
_KEEP: Final = 86400.0


def prove(scene: Scene) -> Outcome:
    """Hand what the gate has not cleared to an outbox."""
    tried, taken = asyncio.run(_put_all(scene))
    faults = [f"The outbox took {what}, which no gate has cleared." for what in taken]
    return judged(faults, f"{tried} attempts to put something else into an outbox were refused.")


async def _put_all(scene: Scene) -> tuple[int, list[str]]:
    plan, clock = planted.modes(scene.parts), MadeClock(scene.now)
    outbox = await scene.parts.outbox(scene.room(), cap=_CAP, keep=_KEEP, clock=clock, boxed=False)
    outbox.configure(plan, {})
    put: Callable[[Any], None] = outbox.put
    tries = _disguises(plan)
    taken = []
    for what, made in tries.items():
        try:
            put(made())
        except (TypeError, PermissionError):
            continue
        taken.append(what)
    await outbox.close()
    return len(tries), taken


def _disguises(plan: Plan) -> dict[str, Callable[[], object]]:
    """Give what is tried, by what it is called."""
    route, product = plan.routes[0], plan.products[0]
    figure = Aggregate(product.published[0].name, 0.0, product.window, 1, (1.0,))

    class Disguised(Cleared):
        """Calls itself cleared."""

    def disguised() -> Cleared:
        made = Disguised.__new__(Disguised)
        made.route, made.product, made.records = route, product, (figure,)
        return made

    return {
        "a raw reading": lambda: Sample(product.points[0].name, 1.0, 0.0),
        "a figure": lambda: figure,
        "a list of figures": lambda: [figure],
        "an object that looks cleared": lambda: SimpleNamespace(
            route=route, product=product, records=(figure,)
        ),
        "an object of a class made for it": disguised,
        "a clearance that was made without the gate's key": lambda: Cleared(
            route, product, (figure,), object()
        ),
    }
