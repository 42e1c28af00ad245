"""Nobody gets one protected count at two granularities, so that nothing withheld can be found by subtracting.

Made-up configurations that overlap, for one recipient, for two of one party and for two at one broker, must
be refused. The site's own plan is then looked through for the same, without asking its compiler.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from agent.core.plan import Plan, Recipient
from agent.core.product import Product
from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.scene import Scene


def prove(scene: Scene) -> Outcome:
    """Plant overlaps, and look for some in the site's plan."""
    faults = [*planted.let_in(scene.parts, "difference"), *_overlaps(scene.plan)]
    count = planted.count("difference")
    return judged(
        tuple(dict.fromkeys(faults)),
        f"{count} overlapping configurations were refused.",
        f"The {len(scene.plan.routes)} routes of this site overlap nowhere.",
    )


def _overlaps(plan: Plan) -> Iterator[str]:
    products = {one.id: one for one in plan.products}
    recipients = {one.name: one for one in plan.recipients}
    for one, other in combinations(plan.routes, 2):
        if one.product == other.product:
            continue
        if not _are_one(recipients[one.recipient], recipients[other.recipient]):
            continue
        for point in _shared(products[one.product], products[other.product]):
            yield f"{one.id} and {other.id} both tell of {point}, to one audience."


def _are_one(one: Recipient, other: Recipient) -> bool:
    """Say whether two recipients hear each other: they are the same, of one party, or at one broker."""
    same_party = bool(one.party) and one.party == other.party
    return one == other or same_party or (one.host, one.port) == (other.host, other.port)


def _shared(one: Product, other: Product) -> Iterator[str]:
    is_protected = {one.privacy.mode, other.privacy.mode} != {"none"}
    theirs = {point.name for point in other.points}
    for point in one.points:
        if point.name in theirs and (is_protected or point.tells_of_few):
            yield point.name
