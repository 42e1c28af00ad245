"""What tells about a home, a workplace or passers-by leaves only protected, for a named reason, never finely.

Made-up configurations without protection or legal basis must be refused. The site's own routes are then
looked through: each that carries such points needs a privacy mode or a month's total, a window of five
minutes or more (for a demonstration on one computer five seconds), and a legal basis.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.core.plan import Plan
from agent.core.product import Product, Route
from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.scene import Scene

_LEAST: Final = 300.0
_LEAST_DEMO: Final = 5.0
_MONTH: Final = "month"
_FAMILIES: Final = ("home", "workplace")


def prove(scene: Scene) -> Outcome:
    """Plant personal points without protection, and look for some in the site's plan."""
    faults = [*planted.let_in(scene.parts, *_FAMILIES), *_bare(scene.plan)]
    personal = [one for one in scene.plan.routes if _points(scene.plan, one)]
    count = planted.count(*_FAMILIES)
    return judged(
        faults,
        f"{count} configurations without protection were refused.",
        f"Of this site: {len(personal)} of {len(scene.plan.routes)} routes carry such points.",
    )


def _points(plan: Plan, route: Route) -> list[str]:
    [product] = [one for one in plan.products if one.id == route.product]
    return [point.name for point in product.points if point.tells_of_few]


def _bare(plan: Plan) -> Iterator[str]:
    products = {one.id: one for one in plan.products}
    for route in plan.routes:
        if not (points := _points(plan, route)):
            continue
        product = products[route.product]
        least = _LEAST_DEMO if route.purpose == "demo" else _LEAST
        if not _is_protected(product):
            yield f"{route.id} tells of {points[0]} without a privacy mode."
        if product.window < least:
            yield f"{route.id} tells of {points[0]} each {product.window:g} s."
        if not route.basis:
            yield f"{route.id} tells of {points[0]} without a legal basis."


def _is_protected(product: Product) -> bool:
    return product.privacy.mode != "none" or (
        product.span == _MONTH and product.statistics == ("delta",) and len(product.steps) == 1
    )
