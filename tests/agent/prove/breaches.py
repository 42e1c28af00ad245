"""Parts of a gateway that leak, each in one way, to be put in the place of the real ones."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from msgspec.structs import replace

from agent.core.clock import Clock, Instant
from agent.core.command import Wanted
from agent.core.driver import Desk, LinkSettings
from agent.core.message import Encoding
from agent.core.plan import Plan
from agent.core.point import Point
from agent.core.product import Privacy, Route
from agent.core.sample import Emit, Sample
from agent.flow import Flow
from agent.outbox.again import Again, Page
from agent.outbox.outbox import Outbox
from agent.outbox.verdict import Verdict
from agent.uplink.client import connect
from agent.uplink.port import Call, Link


class CarelessOutbox(Outbox):
    """Takes whatever it is given."""

    def put(self, cleared: object) -> None:
        """Say nothing."""


class LoyalOutbox(Outbox):
    """Knows of no grant that ends."""

    def configure(self, plan: Plan, encodings: Mapping[str, Encoding]) -> None:
        """Take the ends away."""
        super().configure(endless(plan), encodings)


class GenerousOutbox(Outbox):
    """Sends again whatever product is asked for."""

    def again(self, recipient: str) -> Again:
        """Mistake each product for the first that there is."""
        return Mixing(recipient, self._keeper)


class Mixing(Again):
    """Takes one product for another."""

    async def page(self, wanted: Wanted, most: int) -> Page | None:
        """Look for the first."""
        name = next(one for one in self._books.lanes if one.startswith(f"{self.recipient}."))
        return await super().page(replace(wanted, product=name.partition(".")[2]), most)


class HastyOutbox(Outbox):
    """Takes everything for delivered."""

    def again(self, recipient: str) -> Again:
        """Say so of every lane."""
        for lane in self._books.lanes.values():
            lane.acked.add(1, lane.tail)
        return super().again(recipient)


class MuteOutbox(Outbox):
    """Sends nothing again."""

    def again(self, recipient: str) -> Again:
        """Look through the lanes of somebody who has none."""
        return super().again(f"nobody like {recipient}")


class FaithfulOutbox(Outbox):
    """Takes a recipient that has moved for the one that it was, and each grant for one without an end."""

    def configure(self, plan: Plan, encodings: Mapping[str, Encoding]) -> None:
        """Keep the address that it knows."""
        known = tuple(replace(one, host="127.0.0.1") for one in plan.recipients)
        super().configure(replace(endless(plan), recipients=known), encodings)


class MixingFlow(Flow):
    """Mistakes points that are not shared for one that is."""

    def feed(self, samples: Iterable[Sample], now: Instant) -> None:
        """Pass each reading on as one of the first point that a product wants."""
        wanted = next(iter(self._wanted))
        super().feed([Sample(wanted, one.value, one.at) for one in samples], now)


class GenerousFlow(Flow):
    """Grants every product to the first recipient."""

    def configure(self, plan: Plan) -> None:
        """Add routes."""
        extra = tuple(route_of(plan, one.id) for one in plan.products)
        super().configure(replace(plan, routes=plan.routes or extra))


class EndlessFlow(Flow):
    """Knows of no grant that ends."""

    def configure(self, plan: Plan) -> None:
        """Take the ends away."""
        super().configure(endless(plan))


class HastyFlow(Flow):
    """Knows of no rate."""

    def configure(self, plan: Plan) -> None:
        """Take the rates away."""
        super().configure(replace(plan, routes=tuple(replace(one, rate=None) for one in plan.routes)))


class LaxFlow(Flow):
    """Protects less than the plan says."""

    def configure(self, plan: Plan) -> None:
        """Lower every bar."""
        products = tuple(replace(one, privacy=lax(one.privacy)) for one in plan.products)
        super().configure(replace(plan, products=products))

    def begin(self, products: Iterable[Any], now: Instant) -> None:
        """Begin with the lowered ones."""
        super().begin([replace(one, privacy=lax(one.privacy)) for one in products], now)


def lax(privacy: Privacy) -> Privacy:
    """Give the same mode with its numbers made worthless."""
    match privacy.mode:
        case "dp":
            return replace(privacy, epsilon="20")
        case "none":
            return privacy
    return replace(privacy, k=1, min_sources=1, max_share=1.0)


def endless(plan: Plan) -> Plan:
    """Give *plan* with grants that do not end."""
    return replace(plan, routes=tuple(replace(one, until=None) for one in plan.routes))


def route_of(plan: Plan, product: str, recipient: str = "") -> Route:
    """Give a route of *product* to a recipient of *plan*."""
    name = recipient or plan.recipients[0].name
    return Route(recipient=name, product=product, grant="g", purpose="planning", basis="task", keep=9e6)


def blind(path: Path) -> Verdict:
    """Find every ledger unaltered."""
    del path
    return Verdict(rows=0, erased=0, first=0, last=0, lid="", epoch=0, head="", faults=())


async def falls_back(call: Call) -> Link:
    """Connect without TLS where it was asked for."""
    return await connect(replace(call, tls=False))


class Meddler(LinkSettings, kw_only=True):
    """A link that sends *message* to its device: over UDP if it speaks BACnet, else over TCP."""

    language: ClassVar[str] = "modbus"
    host: str = "10.0.0.1"
    port: int = 1
    message: bytes = b""
    slipping: str = ""

    def points(self) -> Sequence[Point]:
        """Give one point."""
        return (Point(name="meddler.value"),)

    async def run(self, emit: Emit, clock: Clock, desk: Desk) -> None:
        """Send, and wait for what comes."""
        kind = socket.SOCK_DGRAM if self.language == "bacnet" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as line:
            line.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(line, (self.host, self.port))
            if self.message:
                await loop.sock_sendall(line, self.message)
            await loop.sock_recv(line, 1000)

    def led(self, host: str, port: int) -> Meddler:
        """Go there."""
        return replace(self, host=host, port=port)

    def slips(self) -> Sequence[str]:
        """Name what slips through."""
        return (self.slipping,) if self.slipping else ()


class BacnetMeddler(Meddler, kw_only=True):
    """The same for BACnet."""

    language: ClassVar[str] = "bacnet"


class LineMeddler(Meddler, kw_only=True):
    """The same for a line that is only to be listened to."""

    language: ClassVar[str] = "bytes"


class RtuMeddler(Meddler, kw_only=True):
    """The same for a serial bus."""

    language: ClassVar[str] = "modbus-rtu"
