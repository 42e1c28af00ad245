"""The gate: the only place where a record becomes fit to leave.

Default deny: a record leaves on the routes that grants made for its product, after the product's privacy
mode, and on no other way. ``Outbox.put`` takes a ``Cleared`` and nothing else, and only ``Gate.clear`` can
make one: the type checker and the run time both refuse anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

from agent.core.clock import Instant
from agent.core.product import Product, Route
from agent.core.record import Aggregate, Event, Record
from agent.privacy.suppress import suppress

_KEY: Final = object()


class Cleared:
    """Records of one product that may leave on one route."""

    __slots__ = ("product", "records", "route")

    def __init__(self, route: Route, product: Product, records: Sequence[Record], key: object) -> None:
        if key is not _KEY:
            raise PermissionError("only the gate clears records")
        self.route = route
        self.product = product
        self.records = tuple(records)


class Gate:
    """Applies products' privacy and the city's grants."""

    def __init__(self, products: Sequence[Product], routes: Sequence[Route], zone: tzinfo) -> None:
        self._products: Mapping[str, Product] = {one.id: one for one in products}
        self._routes = tuple(routes)
        self._zone = zone

    def clear(self, product: str, records: Sequence[Record], now: Instant) -> list[Cleared]:
        """Clear *records* of *product* for every route that is open at *now*; no grant: nothing leaves."""
        known = self._products[product]
        protected = [_protect(known, record) for record in records]
        leaving = [record for record in protected if record is not None]
        if not leaving:
            return []
        return [
            Cleared(route, known, leaving, _KEY)
            for route in self.open_routes(now)
            if route.product == product
        ]

    def open_routes(self, now: Instant) -> list[Route]:
        """List the routes whose grants have not ended by the site's date."""
        today = datetime.fromtimestamp(now.utc, UTC).astimezone(self._zone).date()
        return [route for route in self._routes if route.until is None or today <= route.until]


def _protect(product: Product, record: Record) -> Record | None:
    """Apply the product's privacy mode; an event of a protected product has no way out."""
    if product.privacy.mode == "none":
        return record
    if isinstance(record, Event):
        return None
    assert isinstance(record, Aggregate)
    return suppress(record, product.privacy.k)
