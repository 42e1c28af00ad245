"""With mode dp, what leaves is the count plus noise of the printed size, whatever the true count is.

A made-up counter, and those products of the site that have the mode, count 0 and 50 passages in hundreds of
made-up windows. How often the noise is zero, and where it lies on average, must be what the law of the noise
says, but for what chance does once in a thousand million times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from agent.core.plan import Plan
from agent.core.point import Kind
from agent.core.product import Product
from agent.core.record import Aggregate
from agent.privacy.laplace import deviation, probability
from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.rehearsal import cleared_by
from agent.prove.scene import Scene

_WINDOWS: Final = 400
_COUNTS: Final = (0, 50)  # in turns
_SIGMAS: Final = 6.1  # beyond it once in a thousand million times
_LONGEST: Final = 12 * 3600.0


def prove(scene: Scene) -> Outcome:
    """Draw much noise and look at it."""
    faults: list[str] = []
    told = []
    for what, plan in (("this site", scene.plan), ("a made-up street", planted.modes(scene.parts))):
        products = tuple(_bare(one) for one in plan.products if _is_noisy(one))
        for product in products:
            noise = list(_noise(scene, plan, product))
            faults += _odd(product, noise)
        names = ", ".join(f"{one.id} (epsilon = {one.privacy.epsilon})" for one in products)
        told.append(f"Of {what}: {names or 'no product has this mode'}.")
    return judged(faults, *told)


def _is_noisy(product: Product) -> bool:
    return product.privacy.mode == "dp" and 0 < product.window <= _LONGEST


def _bare(product: Product) -> Product:
    """Give *product* without what is done to its figures after the noise."""
    return replace(product, privacy=replace(product.privacy, round=0, clamp=False))


def _noise(scene: Scene, plan: Plan, product: Product) -> Iterator[float]:
    """Give what was told of the first count, less what it was."""
    routes = tuple(replace(one, until=None) for one in plan.routes if one.product == product.id)
    alone = replace(plan, products=(product,), routes=routes[:1])
    first = product.points[0].name

    def readings(window: int, reading: int) -> Mapping[str, float]:
        passed = window // 2 * sum(_COUNTS) + (_COUNTS[0] if window % 2 else 0)
        now = _COUNTS[window % 2]
        counter = passed + (now if reading else 0)
        reads = counter if product.points[0].kind is Kind.COUNTER else now * (reading == 1)
        return {one.name: float(reads if one.name == first else 0) for one in product.points}

    cleared = cleared_by(alone, readings, scene.parts, scene.now, windows=_WINDOWS)
    figures = [one for each in cleared for one in each.records if isinstance(one, Aggregate)]
    for number, one in enumerate(one for one in figures if one.point == product.published[0].name):
        if number < _WINDOWS and one.values[0] is not None:
            yield one.values[0] - _COUNTS[number % 2]


def _odd(product: Product, noise: list[float]) -> Iterator[str]:
    """Say how *noise* is not what the law says; nothing to say where nothing was told."""
    count, scale = len(noise), product.privacy.scale
    if not count:
        return
    if any(one != int(one) for one in noise):
        yield f"The noise of {product.id} is not in whole numbers."
    expected = probability(0, scale)
    share = sum(one == 0 for one in noise) / count
    if abs(share - expected) > _SIGMAS * math.sqrt(expected * (1 - expected) / count):
        yield f"{product.id}: {share:.0%} of {count} figures have no noise; {expected:.0%} should."
    mean, reach = sum(noise) / count, _SIGMAS * deviation(scale) / math.sqrt(count)
    if abs(mean) > reach:
        yield f"{product.id}: its noise lies {mean:.2g} from zero on average; at most {reach:.2g} is chance."
