"""How patient the uplink is."""

from __future__ import annotations

from msgspec import Struct


class Timing(Struct, frozen=True, kw_only=True):
    """The uplink's patience, in seconds; tests shorten it."""

    answer: float = 15.0  # the oldest unanswered message may wait this long, then the link is given up
    connect: float = 10.0
    hold: float = 5.0  # first pause after "nobody has subscribed", doubled up to hold_most
    hold_most: float = 60.0
    probe: float = 900.0  # between two probes of a refused route
    slow: float = 1.0
    status: float = 60.0
    birth: float = 86400.0  # between two births where the platform retains none
    head: float = 3600.0  # between two heads of the ledger, for witnesses
    identity: float = 10.0  # between two looks at certificate files
    farewell: float = 2.0
    crowd: float = 10.0  # the first connection waits up to this long, so that a city's gateways do not rush
