"""Every published count covers at least k passages; a smaller one is withheld, and zero is too.

Each product of the site that has the mode suppress or hold counts 0, 1, k-1 and more passages in made-up
windows, and so do two made-up products. No figure below k may be cleared, and none may hold more passages
than there were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from agent.core.plan import Plan
from agent.core.point import Kind
from agent.core.product import Product
from agent.core.record import Aggregate, State
from agent.gate import Cleared
from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.rehearsal import Readings, cleared_by
from agent.prove.scene import Scene

_MODES = ("suppress", "hold")


def prove(scene: Scene) -> Outcome:
    """Let few people pass, and look at what is told of them."""
    faults: list[str] = []
    told = []
    for what, plan in (("this site", scene.plan), ("a made-up street", planted.modes(scene.parts))):
        products = [one for one in plan.products if one.privacy.mode in _MODES]
        for counts in ((0, 1, 4), (1, 2, 1), (3, 3, 40)):
            faults += _below(plan, cleared_by(plan, _passing(products, counts), scene.parts, scene.now))
        names = ", ".join(f"{one.id} (k = {one.privacy.k})" for one in products)
        told.append(f"Of {what}: {names or 'no product has these modes'}.")
    return judged(tuple(dict.fromkeys(faults)), *told)


def _passing(products: Iterable[Product], counts: tuple[int, ...]) -> Readings:
    """Let *counts* pass at the first point of each product, one number in each window, and nobody elsewhere.

    A count is of passages since the last reading; a counter goes on from what it stood at.
    """
    first = {one.points[0].name: one.points[0] for one in products}
    others = {point.name: point for one in products for point in one.points}

    def readings(window: int, reading: int) -> Mapping[str, float]:
        now = counts[window] if reading == 1 else 0
        total = sum(counts[:window]) + (counts[window] if reading >= 1 else 0)
        return {
            name: float((total if point.kind is Kind.COUNTER else now) if name in first else 0)
            for name, point in others.items()
        }

    return readings


def _below(plan: Plan, cleared: Iterable[Cleared]) -> Iterator[str]:
    """Say which figures cover fewer passages than promised, or tell what was withheld in another way."""
    promised = {one.id: one.privacy for one in plan.products}  # by the plan, whatever the gate made of it
    for one in cleared:
        privacy = promised[one.product.id]
        if privacy.mode not in _MODES:
            continue
        for figure in one.records:
            if not isinstance(figure, Aggregate):
                yield f"{one.product.id} told of an event of {figure.point}, with mode {privacy.mode}."
                continue
            known = [value for value in figure.values if value is not None]
            if any(value < privacy.k for value in known):
                yield f"{one.product.id} told {min(known):g} passages of {figure.point}, below {privacy.k}."
            if figure.state is State.SUPPRESSED and (known or figure.n is not None):
                yield f"{one.product.id} told something beside a withheld count of {figure.point}."
