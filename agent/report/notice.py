"""What a citizen who asks is told about a group of meters or a camera, and a record for a public register.

A group is a link: the devices on one line, or one camera. The page and the record say the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from agent.core.plan import Link, Plan, Purpose
from agent.core.point import Point
from agent.core.product import Product, Route
from agent.report.document import Block, Facts, Heading, Page, Paragraph
from agent.report.phrases import Phrases
from agent.report.spans import span

SCHEMA = "citygate/sensor-record/1"


class Group(Struct, frozen=True):
    """The devices of one link, and the routes that carry something of them, with their products."""

    link: Link
    name: str
    points: tuple[Point, ...]
    routes: tuple[tuple[Route, Product], ...]


def groups(plan: Plan) -> list[Group]:
    """Give the groups of a site, in the order of its files."""
    products = {one.id: one for one in plan.products}
    found = []
    for link in plan.links:
        points = tuple(link.driver.points())
        own = {one.name for one in points}
        routes = tuple(
            (route, products[route.product])
            for route in plan.routes
            if own & {one.name for one in products[route.product].points}
        )
        found.append(Group(link, str(getattr(link.driver, "label", "")) or link.name, points, routes))
    return found


def notice(plan: Plan, group: Group, words: Phrases) -> Page:
    """Make the page of *group*."""
    say = words.page
    place = plan.place
    blocks: list[Block] = [
        Paragraph(say["intro"].format(owner=plan.owner or place.city)),
        Facts(tuple(_facts(plan, group, words))),
        Heading(say["leaves"]),
    ]
    if not group.routes:
        blocks.append(Paragraph(say["nothing"]))
    for route, product in group.routes:
        blocks += [
            Heading(product.title or product.id, 3),
            Facts(tuple(_leaving(plan, route, product, words))),
        ]
    keep = span(plan.outbox.keep, words.width)
    blocks += [
        Paragraph(say["rest"]),
        Heading(say["here"]),
        Paragraph(say["here_text"].format(keep=keep)),
        Heading(say["contact"]),
        Facts(tuple(_contacts(plan, words))),
    ]
    return Page(f"{say['heading']}: {group.name}, {place.label or place.site}", words.code, tuple(blocks))


def record(plan: Plan, group: Group, languages: list[Phrases]) -> dict[str, Any]:
    """Give the same for a machine; what people read is given in each of *languages*."""
    place = plan.place
    own = getattr(group.link.driver, "location", None) or place.location
    return {
        "schema": SCHEMA,
        "id": f"{place.city}/{place.site}/{place.gateway}/{group.link.name}",
        "name": group.name,
        "site": place.label or place.site,
        "location": list(own) if own else None,
        "controller": {"name": plan.owner, "contact": plan.contact, "dpo": plan.dpo},
        "policy": plan.policy,
        "devices": list(dict.fromkeys(one.source for one in group.points)),
        "measures": {each.code: _measured(group.points, each) for each in languages},
        "tells_about": list(dict.fromkeys(str(one.scope) for one in group.points)),
        "shared": [_shared(plan, route, product, languages) for route, product in group.routes],
        "kept_here_seconds": round(plan.outbox.keep),
    }


def _shared(plan: Plan, route: Route, product: Product, languages: list[Phrases]) -> dict[str, Any]:
    recipient = next(one for one in plan.recipients if one.name == route.recipient)
    return {
        "product": product.id,
        "title": product.title,
        "points": [one.name for one in product.published],
        "window": product.span,
        "statistics": list(product.statistics),
        "privacy": {each.code: _protection(product, each) for each in languages},
        "recipient": recipient.party or recipient.name,
        "purpose": route.purpose,
        "why": {each.code: _why(plan.purposes, route, each) for each in languages},
        "basis": route.basis or None,
        "keep_seconds": round(route.keep),
        "until": route.until.isoformat() if route.until else None,
    }


def _facts(plan: Plan, group: Group, words: Phrases) -> Iterator[tuple[str, str]]:
    say, place = words.page, plan.place
    yield say["place"], f"{place.label or place.site}, {place.city}"
    yield say["what"], "; ".join(_measured(group.points, words))
    yield say["whom"], ", ".join(dict.fromkeys(words.scope[one.scope] for one in group.points))
    paces = sorted({one.every for one in group.points})
    shortest = next((one for one in paces if one), 0.0)
    yield say["how"], say["every"].format(every=span(shortest, words.width)) if shortest else say["on_change"]


def _measured(points: tuple[Point, ...], words: Phrases) -> list[str]:
    """Say what points measure, each thing once; what has no phrase is told by its label or name."""
    told = (
        words.kind.get(one.kind)
        or words.quantity.get(one.quantity)
        or one.label
        or (one.quantity or one.name.partition(".")[2]).replace("_", " ")
        for one in points
    )
    return list(dict.fromkeys(told))


def _leaving(plan: Plan, route: Route, product: Product, words: Phrases) -> Iterator[tuple[str, str]]:
    say = words.page
    recipient = next(one for one in plan.recipients if one.name == route.recipient)
    yield say["product"], "; ".join(_measured(product.published, words))
    yield say["window"], _width(product, words)
    if product.statistics:
        yield say["statistics"], ", ".join(words.statistic[one] for one in product.statistics)
    yield say["privacy"], _protection(product, words)
    yield say["recipient"], recipient.party or recipient.name
    yield say["purpose"], _why(plan.purposes, route, words)
    yield say["basis"], words.basis[route.basis or "none"]
    yield say["keep"], span(route.keep, words.width)
    yield say["until"], route.until.isoformat() if route.until else say["no_end"]


def _width(product: Product, words: Phrases) -> str:
    if not product.window:
        return words.page["events"]
    return words.width.get(product.span) or span(product.window, words.width)


def _protection(product: Product, words: Phrases) -> str:
    privacy = product.privacy
    mode = privacy.mode
    if mode == "none" and product.span == "month" and any(one.tells_of_few for one in product.points):
        return words.privacy["month"]
    share = f"{privacy.max_share * 100:g}%"
    said = words.privacy[mode].format(k=privacy.k, sources=privacy.min_sources, share=share)
    return f"{said}; {words.privacy['round'].format(base=privacy.round)}" if privacy.round else said


def _why(purposes: tuple[Purpose, ...], route: Route, words: Phrases) -> str:
    """Give the purpose in the language; one of the city's own as the city wrote it."""
    own = {one.name: one.description for one in purposes}
    return own.get(route.purpose) or words.purpose[route.purpose]


def _contacts(plan: Plan, words: Phrases) -> Iterator[tuple[str, str]]:
    say = words.page
    yield plan.owner or plan.place.city, plan.contact or say["nobody"]
    if plan.dpo:
        yield say["dpo"], plan.dpo
    yield say["policy"], plan.policy
