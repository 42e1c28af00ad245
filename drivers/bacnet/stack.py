"""The seam between everything that reads BACnet devices and whatever speaks the protocol on the wire.

A ``Stack`` asks, and hears; it never decides what is asked, nor tries again later. Whoever implements it
gives each call an answer or raises one of the errors below, holds at most two requests to a station and one
to a network behind a router at a time, and spends at most the link's time-out on a station that says
nothing: those who wait for the same station then get ``SilentError`` too. It has no call that could change
a device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from drivers.bacnet.names import reason_name
from drivers.bacnet.peer import Peer
from drivers.bacnet.value import Answer, Fault, ObjectId, Ref, Value


class StackError(Exception):
    """A request came to nothing; the leaves say how."""


class SilentError(StackError):
    """The station did not answer within the time-out, or no router to its network did."""


class RefusedError(StackError):
    """The station answered with an error, a reject or an abort, or with bytes that are no answer."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.kind} {reason_name(fault.kind, fault.code)}")
        self.fault = fault


class IAm(Struct, frozen=True):
    """A device said who it is."""

    peer: Peer
    instance: int
    max_apdu: int
    segments: bool
    """Whether it can send an answer in several parts."""

    vendor: int


class Notice(Struct, frozen=True):
    """A device reported a change of value to one of our subscriptions; ``values`` by property and index."""

    peer: Peer
    process: int
    device: int
    object: ObjectId
    remaining: int
    values: tuple[tuple[Ref, Value], ...]


class Route(Struct, frozen=True):
    """A router said which networks lie behind it."""

    router: Peer
    networks: tuple[int, ...]


Heard: TypeAlias = IAm | Notice | Route


class Subscription(Struct, frozen=True):
    """What one subscription to changes of value asks for; ``lifetime`` in seconds, never 0."""

    process: int
    object: ObjectId
    lifetime: int
    confirmed: bool = False


class Counts(Struct):
    """What a stack counts of one station."""

    requests: int = 0
    silences: int = 0
    errors: int = 0
    rejects: int = 0
    aborts: int = 0
    garbled: int = 0
    rtt: float = 0.0
    """Seconds from the latest request that was answered to its answer."""


class Stack(Protocol):
    """One presence on a BACnet network."""

    async def read(self, peer: Peer, ref: Ref) -> Value:
        """Read one property by ReadProperty; raise RefusedError or SilentError."""
        ...

    async def read_many(self, peer: Peer, refs: Sequence[Ref]) -> Sequence[Answer]:
        """Read by one ReadPropertyMultiple; an answer or a fault for each of *refs*, in their order.

        Raise RefusedError when the whole request was refused, SilentError when nobody answered. The
        properties of an object should stand side by side in *refs*: they are asked for under one heading.
        """
        ...

    async def who_is(self, low: int = 0, high: int = 4194303, at: Peer | None = None) -> None:
        """Ask who has an instance of *low* to *high*: what answers is heard, if anything does.

        *at* is a station, or all those of a network (its ``mac`` is empty); without it everybody on this
        network is asked. Waits its turn: there is a limit on how often everybody is asked.
        """
        ...

    async def who_is_router(self, network: int | None = None) -> None:
        """Ask for routers to *network*, or for all of them: what answers is heard."""
        ...

    async def subscribe(self, peer: Peer, wish: Subscription) -> None:
        """Subscribe to changes of an object, or renew that; raise RefusedError or SilentError."""
        ...

    async def unsubscribe(self, peer: Peer, process: int, monitored: ObjectId) -> None:
        """End a subscription; raise RefusedError or SilentError. Notices that still come are turned away."""
        ...

    def listen(self, hear: Callable[[Heard], None]) -> Callable[[], None]:
        """Call *hear* with all that is heard from now on; give what ends that.

        It is called from the event loop, must not wait and must not raise.
        """
        ...

    def counts(self, peer: Peer) -> Counts:
        """Give what was counted of a station."""
        ...

    async def watch(self) -> None:
        """Keep what must be kept while the link lives; raise DriverError when its interface is gone."""
        ...

    async def close(self) -> None:
        """Give the socket back; calls under way end with SilentError."""
        ...
