"""Logs what a broker thinks of a route, once for each change of mind."""

from __future__ import annotations

import logging

from agent.core.catalogue.uplinks import ROUTE_ACCEPTED, ROUTE_HELD, ROUTE_REFUSED
from agent.uplink import reasons
from agent.uplink.routes import HELD, OK

_log = logging.getLogger(__name__)


def tell_route(route: str, word: str, where: str, reason: int) -> None:
    """Log that *route* is in the state *word* at the broker *where*, which said *reason*."""
    recipient, _, product = route.partition(".")
    fields = {"ROUTE": route, "RECIPIENT": recipient, "PRODUCT": product}
    if word == OK:
        ROUTE_ACCEPTED.tell(_log, route, **fields)
    elif word == HELD:
        ROUTE_HELD.tell(_log, route, where, **fields)
    else:
        ROUTE_REFUSED.tell(_log, route, where, reasons.meaning(reason), REASON=f"0x{reason:02x}", **fields)
