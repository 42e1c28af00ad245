"""No recipient gets finer figures than the purpose of its grant needs.

Made-up products that are finer than their purpose, or have a smaller k, must be refused. The site's own
routes are then held against the purposes that its policy describes.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent.config.widths import width
from agent.core.plan import Plan
from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.scene import Scene

_FAMILIES = ("finer", "lower")


def prove(scene: Scene) -> Outcome:
    """Plant products that are too fine, and look for some in the site's plan."""
    faults = [*planted.let_in(scene.parts, *_FAMILIES), *_too_fine(scene.plan)]
    bounded = [one.name for one in scene.plan.purposes if one.finest or one.k]
    own = ", ".join(bounded) or "none, so any window may be granted"
    return judged(
        faults,
        f"{planted.count(*_FAMILIES)} configurations beyond their purpose were refused.",
        f"Purposes of this site that set a limit: {own}.",
    )


def _too_fine(plan: Plan) -> Iterator[str]:
    products = {one.id: one for one in plan.products}
    purposes = {one.name: one for one in plan.purposes}
    for route in plan.routes:
        product, purpose = products[route.product], purposes.get(route.purpose)
        if purpose is None:
            continue
        if purpose.finest and product.window < width(purpose.finest):
            yield f"{route.id} tells of {product.window:g} s; {purpose.name} needs {purpose.finest}."
        if product.privacy.mode in ("suppress", "hold") and product.privacy.k < purpose.k:
            yield f"{route.id} has k = {product.privacy.k}; {purpose.name} needs {purpose.k}."
