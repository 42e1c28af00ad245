"""Walks from a point or a product to every broker that should have it, and tells what stops it where.

It only looks: at the running gateway, and never at a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from msgspec import to_builtins

from agent.core.errors import GatewayError
from agent.core.plan import Plan, Recipient
from agent.core.point import Point
from agent.core.product import Product
from agent.gateway import Gateway
from agent.why.leaving import leaves, made
from agent.why.source import source_of, sources_of
from agent.why.stage import Stage, stops

Object = dict[str, Any]


def why(gateway: Gateway, name: str, recipient: str = "") -> Object:
    """Tell each way of the point or product called *name*; raise GatewayError if nothing is called so."""
    plan = gateway.plan
    assert plan is not None
    chosen = _recipients(plan, recipient)
    product = next((one for one in plan.products if one.id == name), None)
    if product is not None:
        before = sources_of(gateway, product.points)
        return _told(name, "product", _ways(gateway, [product], chosen, before, None))
    point = _point(plan, name)
    before = source_of(gateway, point)
    products = [one for one in plan.products if any(point.name == own.name for own in one.points)]
    if not products and before[-1].verdict != "stops":
        act = "a [product.NAME] whose `from` matches it, and a grant: that is for the city to decide"
        before = [*before, stops("product", f"no product names {name}, so it never leaves", act)]
    return _told(name, "point", _ways(gateway, products, chosen, before, point))


def _ways(
    gateway: Gateway,
    products: Sequence[Product],
    recipients: Sequence[Recipient],
    before: Sequence[Stage],
    point: Point | None,
) -> list[Object]:
    if not products:
        return [_way("", "", before)]
    assert gateway.plan is not None
    shared = {(one.product, one.recipient) for one in gateway.plan.routes}
    found = []
    for product in products:
        inner = [*before, *made(gateway, product, point)]
        mine = [one for one in recipients if (product.id, one.name) in shared] or list(recipients)
        if not mine:
            act = "a [recipient.NAME] and a grant in sharing.toml: that is for the city to decide"
            none = stops("grant", f"no grant shares {product.id} with anybody", act)
            found.append(_way(product.id, "", [*inner, none]))
        found += [_way(product.id, one.name, [*inner, *leaves(gateway, product, one)]) for one in mine]
    return found


def _way(product: str, recipient: str, stages: Sequence[Stage]) -> Object:
    """End with the first stage that stops it."""
    end = next((at for at, one in enumerate(stages) if one.verdict == "stops"), None)
    walked = stages if end is None else stages[: end + 1]
    return {
        "product": product,
        "recipient": recipient,
        "arrives": end is None,
        "stages": [to_builtins(one) for one in walked],
    }


def _told(name: str, kind: str, ways: list[Object]) -> Object:
    return {"name": name, "kind": kind, "arrives": all(one["arrives"] for one in ways), "ways": ways}


def _recipients(plan: Plan, name: str) -> Sequence[Recipient]:
    if not name:
        return plan.recipients
    if reader := next((one for one in plan.readers if one.name == name), None):
        raise GatewayError(
            f"{name} reads at the broker of {reader.via}: ask for that; the rest is the broker's to say"
        )
    if found := [one for one in plan.recipients if one.name == name]:
        return found
    raise GatewayError(f'no recipient is called "{name}"{_near(name, [one.name for one in plan.recipients])}')


def _point(plan: Plan, name: str) -> Point:
    points = {one.name: one for link in plan.links for one in link.driver.points()}
    if name in points:
        return points[name]
    near = _near(name, [*points, *(one.id for one in plan.products)])
    raise GatewayError(f'no point or product is called "{name}"{near}')


def _near(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f'; did you mean "{near[0]}"?' if near else "; `citygate check` lists them"
