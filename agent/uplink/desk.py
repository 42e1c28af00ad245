"""What the uplink is given by the rest of the daemon."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from agent.core.clock import Clock
from agent.core.message import Cages, Message, Queue
from agent.core.product import Product
from agent.outbox.row import Row
from agent.uplink.clients import connect
from agent.uplink.port import Connect
from agent.uplink.timing import Timing

if TYPE_CHECKING:
    from agent.uplink.replays import Book


class Feed(Protocol):
    """One recipient's side of the outbox; see ``agent.outbox``.

    ``refused`` is ours to set: the routes whose messages the broker refuses, so that losses are told as such.
    """

    refused: frozenset[str]

    async def wait(self) -> None:
        """Wait until there may be something to take."""
        ...

    async def take(self, live: int, backlog: int, skip: frozenset[str]) -> list[Row]:
        """Give rows to send, which are then in flight; none of the routes in *skip*."""
        ...

    def acked(self, row: Row) -> None:
        """Note that the broker has it."""
        ...

    def release(self, rows: list[Row]) -> None:
        """Give back what was not acknowledged."""
        ...

    def bound(self, most: int) -> None:
        """Note the bytes of a body that the broker takes; 0: any."""
        ...

    def online(self, connected: bool) -> None:
        """Note whether rows may be sent now."""
        ...


def _none() -> frozenset[str]:
    return frozenset()


def _nothing() -> None:
    return None


def _no_cages(_: Product) -> Cages:
    return ()


class UplinkDesk(Struct, kw_only=True):
    """What an uplink may ask: the time, how the gateway does, what waits, and which grants have ended.

    ``state`` gives online, degraded or stopping; ``queue`` what this recipient still has to get; ``expired``
    the ids of its routes whose grant has ended; ``acl`` the access list that its broker should have now.
    ``cages`` gives what was proven of the cages behind a product's pictures.
    ``again`` gives what this recipient has had already, None where nothing can be sent again.
    ``head`` gives the signed head of the ledger, None if it is not this recipient's to know. ``gateway`` is
    the client id where none is configured.
    The rest is for tests: patience, network and randomness.
    """

    clock: Clock
    state: Callable[[], str]
    queue: Callable[[], Queue]
    software: str
    gateway: str
    expired: Callable[[], frozenset[str]] = _none
    acl: Callable[[], tuple[str, ...]] = tuple
    head: Callable[[], Message | None] = _nothing
    again: Callable[[], Book] | None = None
    cages: Callable[[Product], Cages] = _no_cages
    timing: Timing = Timing()
    connect: Connect = connect
    chance: Callable[[], float] = random.random
