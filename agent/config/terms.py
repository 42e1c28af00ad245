"""Judges whether a product may go to a recipient for a purpose: how fine, and beside what else they get.

Whoever holds two granularities of one count can subtract: an hour less three of its quarters is the fourth,
which was withheld for a reason. So an audience gets each count once; what is coarser can be added up of what
was published. An audience is everybody of one party, and everybody at one broker, whose keeper sees all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from agent.config import tables
from agent.config.brokers import is_loopback
from agent.config.widths import width
from agent.core.plan import Purpose, Recipient
from agent.core.product import Product, Route
from agent.core.rate import Rate

LEAST: Final = 300.0
"""Seconds that a window with personal points lasts at least."""
LEAST_DEMO: Final = 5.0
"""The same for a demonstration that leaves this computer for nobody."""
DEMO: Final = "demo"
_ONCE: Final = "grant one of the two; what is coarser can be added up of what was published"


class Terms:
    """What is known of products, recipients and purposes when grants are judged."""

    def __init__(
        self, products: Sequence[Product], recipients: Sequence[Recipient], purposes: Sequence[Purpose]
    ) -> None:
        self.products = {one.id: one for one in products}
        self._recipients = {one.name: one for one in recipients}
        self._purposes = {one.name: one for one in purposes}

    def objections(
        self, product: Product, grant: tables.Grant, routes: Sequence[Route]
    ) -> Iterator[tuple[str, str]]:
        """Give what speaks against *product* in *grant*, beside the *routes* so far: sentences with hints."""
        yield from self._too_fine(product, grant)
        yield from self._beyond_purpose(product, grant.purpose)
        yield from self._differences(product, grant.recipient, routes)

    def too_often(self, product: Product, rate: Rate | None) -> Iterator[tuple[str, str]]:
        """Give what speaks against *product* at *rate*: windows come as they are long; events are counted."""
        if rate is not None and product.window and not rate.holds(product.window):
            message = f'rate = "{rate}" is less often than "{product.id}" has windows, one in {product.span}'
            yield message, "grant a product with longer windows, or a higher rate"

    def _too_fine(self, product: Product, grant: tables.Grant) -> Iterator[tuple[str, str]]:
        if not product.window or not any(one.tells_of_few for one in product.points):
            return
        recipient = self._recipients.get(grant.recipient)
        is_demo = grant.purpose == DEMO and recipient is not None and is_loopback(recipient.host)
        if product.window < (LEAST_DEMO if is_demo else LEAST):
            least = "5s" if is_demo else "5m"
            message = f'product "{product.id}" has personal points: its window, {product.span}, is too short'
            demo = "" if is_demo else f'; shorter only for purpose "{DEMO}" and a broker on this computer'
            yield message, f'write window = "{least}" or longer{demo}'

    def _beyond_purpose(self, product: Product, name: str) -> Iterator[tuple[str, str]]:
        purpose = self._purposes.get(name)
        if purpose is None:
            return
        if purpose.finest and product.window < width(purpose.finest):
            told = f"windows of {product.span}" if product.window else "events at their moment"
            message = f'purpose "{name}" needs windows of {purpose.finest}: "{product.id}" has {told}'
            yield message, f'write window = "{purpose.finest}", or grant a coarser product'
        privacy = product.privacy
        if privacy.mode in ("suppress", "hold") and privacy.k < purpose.k:
            message = f'purpose "{name}" needs k = {purpose.k}: "{product.id}" has {privacy.k}'
            yield message, f"write k = {purpose.k}, or grant another product"

    def remarks(self, product: Product, recipient: str, routes: Sequence[Route]) -> Iterator[str]:
        """Say what *recipient* gets in two widths; no fault where nothing of it is withheld."""
        for other in (self.products[one.product] for one in routes if one.recipient == recipient):
            common = _common(product, other) if product.window and other.window else []
            if common and not _is_protected(product, other, common):
                yield (
                    f'"{recipient}" has "{common[0]}" in product "{other.id}" already: harmless as long as'
                    " neither is protected"
                )

    def _differences(
        self, product: Product, recipient: str, routes: Sequence[Route]
    ) -> Iterator[tuple[str, str]]:
        for route in routes:
            other = self.products[route.product]
            common = _common(product, other)
            if not common or not _is_protected(product, other, common):
                continue
            if self._hear_one_another(recipient, route):
                message = (
                    f'"{route.recipient}" has "{common[0]}" in product "{other.id}" already: '
                    "the difference would tell what is withheld"
                )
                if route.recipient != recipient:
                    message = f"{self._bond(recipient, route.recipient)}, and {message}"
                yield message, _ONCE

    def _hear_one_another(self, recipient: str, route: Route) -> bool:
        return recipient == route.recipient or bool(self._bond(recipient, route.recipient))

    def _bond(self, one: str, other: str) -> str:
        """Say why two recipients are one audience; empty when they are not."""
        mine, its = self._recipients.get(one), self._recipients.get(other)
        if mine is None or its is None:
            return ""
        if mine.party and mine.party == its.party:
            return f'"{one}" is of the same party as "{other}"'
        if (mine.host, mine.port) == (its.host, its.port):
            return f'"{one}" is at the same broker as "{other}"'
        return ""


def _common(one: Product, other: Product) -> list[str]:
    """Name the points that two products have both; none if they are the same product."""
    if one.id == other.id:
        return []
    return sorted({point.name for point in one.points} & {point.name for point in other.points})


def _is_protected(one: Product, other: Product, common: Sequence[str]) -> bool:
    """Say whether something of what two products have in *common* may be withheld."""
    few = {point.name for point in one.points if point.tells_of_few}
    return {one.privacy.mode, other.privacy.mode} != {"none"} or not few.isdisjoint(common)
