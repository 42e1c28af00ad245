"""A product that no grant names leaves for nobody.

The grants are taken out of a copy of the site's plan, one recipient after the other and then all, and its
products work on made-up readings: the gate must let through nothing that is not granted.
"""

from __future__ import annotations

from msgspec.structs import replace

from agent.core.plan import Plan
from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.rehearsal import cleared_by, steady
from agent.prove.scene import Scene


def prove(scene: Scene) -> Outcome:
    """Take grants away and see what is still cleared."""
    faults: list[str] = []
    tried = 0
    for plan in (scene.plan, planted.modes(scene.parts)):
        for less in _less(plan):
            tried += 1
            faults += _leaks(scene, less)
    unique = tuple(dict.fromkeys(faults))
    return judged(unique, f"{tried} plans with fewer grants were tried; nothing left without one.")


def _less(plan: Plan) -> list[Plan]:
    """Give *plan* as it stands, without the grants of each recipient, and without any."""
    names = [one.name for one in plan.recipients] if len(plan.recipients) > 1 else []
    kept = [tuple(one for one in plan.routes if one.recipient != name) for name in names]
    return [plan, *(replace(plan, routes=routes) for routes in kept), replace(plan, routes=())]


def _leaks(scene: Scene, plan: Plan) -> list[str]:
    granted = {route.id for route in plan.routes}
    values = {point.name: 10.0 for product in plan.products for point in product.points}
    cleared = cleared_by(plan, steady(values), scene.parts, scene.now)
    return [
        f"{one.product.id} was cleared for {one.route.recipient} without a grant."
        for one in cleared
        if one.route.id not in granted or one.route.product != one.product.id
    ]
