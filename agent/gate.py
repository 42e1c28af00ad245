"""The gate: the only place where a record becomes fit to leave.

Default deny: a record leaves on the routes that grants made for its product, after the product's privacy
mode, and on no other way; what a process without a cage made of pictures, to loopback only; events no more
often than a grant's rate. ``Outbox.put``
takes a ``Cleared`` and nothing else, and only the gate can make one: the type checker and the run time both
refuse anything else.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from msgspec import to_builtins

from agent.core.clock import Instant
from agent.core.product import Product, Route
from agent.core.rate import Pace
from agent.core.record import Aggregate, Event, Record
from agent.privacy.guard import Guard, guard_of, taken_over
from agent.privacy.laplace import Below
from agent.privacy.share import Share

_KEY: Final = object()


class Cleared:
    """Records of one product that may leave on one route; if they are *unconfined*, to loopback only."""

    __slots__ = ("product", "records", "route", "unconfined")

    def __init__(
        self,
        route: Route,
        product: Product,
        records: Sequence[Record],
        key: object,
        *,
        unconfined: bool = False,
    ) -> None:
        if key is not _KEY:
            raise PermissionError("only the gate clears records")
        self.route = route
        self.product = product
        self.records = tuple(records)
        self.unconfined = unconfined


class Gate:
    """Applies products' privacy and the city's grants; *below* is where noise comes from.

    *local* are the recipients on loopback, and ``unconfined`` the products that go nowhere else. ``told``
    holds, by product, the state in which each point was told last, and never a value; ``paces``, by route
    and rate, how far the rates of grants are used up.
    """

    def __init__(
        self,
        products: Sequence[Product],
        routes: Sequence[Route],
        zone: tzinfo,
        below: Below = secrets.randbelow,
        *,
        local: Collection[str] = (),
    ) -> None:
        self.unconfined: set[str] = set()
        self.told: dict[str, dict[str, str]] = {}
        self.paces: dict[str, Pace] = {}
        self._below = below
        self._products: Mapping[str, Product] = {}
        self._guards: dict[str, Guard] = {}
        self._owed: dict[str, list[Record]] = {}
        self._shares: dict[str, Share] = {}
        self.configure(products, routes, zone, local)

    def configure(
        self, products: Sequence[Product], routes: Sequence[Route], zone: tzinfo, local: Collection[str] = ()
    ) -> None:
        """Apply another plan; a product that is still the same goes on with what it remembers."""
        same = {one.id for one in products if self._products.get(one.id) == one}
        self._products = {one.id: one for one in products}
        self.told = {name: known for name, known in self.told.items() if name in same}
        self._guards = {
            name: self._guards[name] if name in same else guard_of(one, zone, self._below)
            for name, one in self._products.items()
        }
        self._shares = {name: self._shares[name] if name in same else Share(zone) for name in self._products}
        self._routes = tuple(routes)
        self._zone = zone
        self._local = local

    def begin(self, product: str, saved: object | None) -> None:
        """Start *product* anew with what ``save`` gave at the end of an earlier run."""
        known = self._products[product]
        cells, self._owed[product] = taken_over(known, saved)
        self._guards[product] = guard_of(known, self._zone, self._below, cells)

    def clear(self, product: str, records: Sequence[Record], now: Instant) -> list[Cleared]:
        """Clear *records* of *product* for every route that is open at *now*; no grant: nothing leaves."""
        leaving = self._guards[product].protect(records)
        states = self.told.setdefault(product, {})
        states.update((one.point, one.state.value) for one in leaving if isinstance(one, Aggregate))
        self._shares[product].note(leaving)
        # what an earlier run left untold comes after what is new, which tells where a crash ended
        owed = self._owed.pop(product, []) if leaving else []
        return [*self._cleared(product, leaving, now), *self._cleared(product, owed, now)]

    def withheld(self, product: str) -> float | None:
        """Give the share of *product*'s latest figures by day that were withheld; None: too few to say."""
        return self._shares[product].withheld

    def waiting(self, product: str) -> bool:
        """Say whether figures of *product* wait to be cleared at this tick, although no new ones came."""
        return self._guards[product].waiting

    def prepare(self, product: str) -> None:
        """Let *product* get ready for its next slot; for ticks in which it tells nothing."""
        self._guards[product].prepare()

    def finish(self, product: str, now: Instant, *, stopping: bool) -> list[Cleared]:
        """Clear what is left of *product* when it ends; *stopping*: what is saved waits on."""
        left = [*self._guards[product].finish(stopping=stopping), *self._owed.pop(product, [])]
        return self._cleared(product, left, now)

    def save(self, product: str, *, stopping: bool) -> Any:  # noqa: ANN401 - plain JSON values
        """Give what *product* must remember beyond the process; None when there is nothing."""
        cells = [*self._guards[product].save(stopping=stopping), *self._owed.get(product, ())]
        return to_builtins(cells) or None

    def _may_reach(self, route: Route) -> bool:
        """Keep on this computer what a process without a cage has made."""
        return route.product not in self.unconfined or route.recipient in self._local

    def stayed(self, now: Instant) -> list[tuple[str, int, float, float]]:
        """Give, once, the routes by which events stayed behind for their rate: how many, from when, to when.

        A route is given when the stretch in which that was has ended, or the rate with its grant.
        """
        rates = {_paced(route): route.rate for route in self._routes}
        return [
            (name.partition(" ")[0], *pace.settle())
            for name, pace in self.paces.items()
            if pace.missed and ((rate := rates.get(name)) is None or pace.is_over(rate, now.utc))
        ]

    def open_routes(self, now: Instant) -> list[Route]:
        """List the routes whose grants have not ended by the site's date."""
        today = datetime.fromtimestamp(now.utc, UTC).astimezone(self._zone).date()
        return [route for route in self._routes if route.until is None or today <= route.until]

    def _cleared(self, product: str, records: Sequence[Record], now: Instant) -> list[Cleared]:
        if not records:
            return []
        known = self._products[product]
        open_routes = [route for route in self.open_routes(now) if route.product == product]
        mark = product in self.unconfined
        reached = [route for route in open_routes if self._may_reach(route)]
        return [
            Cleared(route, known, admitted, _KEY, unconfined=mark)
            for route in reached
            if (admitted := self._admitted(route, records, now))
        ]

    def _admitted(self, route: Route, records: Sequence[Record], now: Instant) -> Sequence[Record]:
        """Leave out the events for which the route's rate is used up; windows come as often as they do."""
        rate = route.rate
        if rate is None:
            return records
        pace = self.paces.setdefault(_paced(route), Pace())
        return [one for one in records if not isinstance(one, Event) or pace.admit(rate, now.utc)]


def _paced(route: Route) -> str:
    """Name what is counted: another rate of a route counts for itself, and goes on if it comes back."""
    return f"{route.id} {route.rate}"
