"""A figure of homes or workplaces is over enough of them, none of which dominates; else it is withheld.

Products of the site with the mode min-sources, and a made-up house of flats, work on made-up readings: too
few meters that tell something, then one meter with nearly the whole. Nothing may be told of either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from agent.core.product import Product
from agent.core.record import Aggregate
from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.rehearsal import Readings, cleared_by
from agent.prove.scene import Scene


def prove(scene: Scene) -> Outcome:
    """Let few homes tell, then one of them nearly all."""
    faults: list[str] = []
    told = []
    for what, plan in (("this site", scene.plan), ("a made-up house", planted.modes(scene.parts))):
        products = [one for one in plan.products if one.privacy.mode == "min-sources"]
        for product in products:
            alone = replace(
                plan,
                products=(product,),
                routes=tuple(one for one in plan.routes if one.product == product.id),
            )
            for name, readings in _scenes(product).items():
                cleared = cleared_by(alone, readings, scene.parts, scene.now)
                faults += [
                    f"{product.id} told {one:g} with {name}."
                    for one in _values(record for each in cleared for record in each.records)
                ]
        names = ", ".join(f"{one.id} ({one.privacy.min_sources} sources)" for one in products)
        told.append(f"Of {what}: {names or 'no product has this mode'}.")
    return judged(tuple(dict.fromkeys(faults)), *told)


def _scenes(product: Product) -> dict[str, Readings]:
    """Give the readings that must not lead to a figure, by what they are."""
    names = [one.name for one in product.points]
    least = product.privacy.min_sources
    sources = list(dict.fromkeys(one.source for one in product.points))
    few = {name for name in names if name.partition(".")[0] in sources[: least - 1]}

    def too_few(window: int, reading: int) -> Mapping[str, float]:
        return {name: 100.0 + 5 * window + reading for name in names if name in few}

    def dominated(window: int, reading: int) -> Mapping[str, float]:
        gone = 5 * window + reading
        return {name: gone * (10_000.0 if name == names[0] else 0.001) for name in names}

    return {f"{least - 1} sources": too_few, "one source that has nearly the whole": dominated}


def _values(records: Iterable[object]) -> Iterator[float]:
    for one in records:
        if isinstance(one, Aggregate):
            yield from (value for value in one.values if value is not None)
