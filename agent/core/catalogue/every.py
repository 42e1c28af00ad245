"""All entries of the catalogue, and the way from a failure to its entry."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from agent.core.catalogue import bundles, gateway, links, pictures, store, uplinks
from agent.core.catalogue.entry import Entry
from agent.core.errors import ClockError, ConfigError, DriverError, GatewayError, UplinkError

ROOMS: Final[dict[str, ModuleType]] = {
    "The gateway": gateway,
    "Links and devices": links,
    "The process that sees pictures": pictures,
    "Brokers": uplinks,
    "Outbox and disk": store,
    "Configuration from a distance": bundles,
}
"""What the entries are about, in the order in which people read them."""


def entries_of(room: ModuleType) -> list[Entry]:
    """List the entries of one of the ``ROOMS``."""
    return [one for one in vars(room).values() if isinstance(one, Entry)]


def entries() -> list[Entry]:
    """List every entry."""
    return [one for room in ROOMS.values() for one in entries_of(room)]


def entry_of(failure: GatewayError) -> Entry:
    """Give how it is told that a service ended with *failure*: who must act decides it."""
    if isinstance(failure, DriverError):
        return links.LINK_FAILED
    if isinstance(failure, ClockError):
        return uplinks.CLOCK_BLOCKS
    if isinstance(failure, UplinkError):
        return uplinks.UPLINK_FAILED
    return links.NEEDS_A_PERSON if isinstance(failure, ConfigError) else store.SERVICE_FAILED
