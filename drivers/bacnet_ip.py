"""BACnet/IP: the controllers of a building's own automation, over its network or behind routers on it.

Reads only: no service that changes a device exists here, and nobody can change this gateway by BACnet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta, field
from msgspec.structs import replace

from agent.core.clock import Clock
from agent.core.driver import Desk, Driver, LinkSettings, Needs, Poll, Reading
from agent.core.duration import Duration
from agent.core.point import Point
from agent.core.sample import Emit
from drivers.bacnet.device import BacnetDevice, Instance
from drivers.bacnet.interface import check
from drivers.bacnet.peer import HERE, PORT, Peer

if TYPE_CHECKING:
    from drivers.bacnet.client import Client
    from drivers.bacnet.reader import Reader


class BacnetIp(LinkSettings, kw_only=True):
    """A BACnet/IP network and what can be reached through it."""

    device_type: ClassVar[type[Any]] = BacnetDevice
    answers_probes: ClassVar[bool] = True
    language: ClassVar[str] = "bacnet"

    interface: Annotated[
        str,
        Meta(
            description="This computer's address on that network with its prefix (`10.20.0.2/24`), or the "
            "name of its network card (`eth0`)."
        ),
    ]
    port: Annotated[
        int, Meta(description="UDP port; 0: any free one, for foreign devices.", ge=0, le=65535)
    ] = PORT
    device_id: Annotated[
        Instance | None,
        Meta(description="Our own device instance; if not said, one derived from this computer's identity."),
    ] = None
    bbmd: Annotated[
        str,
        Meta(description="Broadcast manager (BBMD) in another subnet where we register as foreign device."),
    ] = ""
    ttl: Annotated[
        Duration,
        Meta(
            description="How long a registration holds; it is renewed at half of this.",
            extra={"least": "10s", "most": "18h"},
        ),
    ] = Duration(60)
    routers: Annotated[
        dict[str, str],
        Meta(description='Routers that cannot be found by asking, by network: { "2001" = "10.20.0.9" }.'),
    ] = field(default_factory=dict)
    timeout: Annotated[
        Duration,
        Meta(
            description="Longest wait for an answer, three times as long behind a router; then it is asked "
            "once more.",
            extra={"least": "50ms", "most": "30s"},
        ),
    ] = Duration(1)
    rate: Annotated[
        float, Meta(description="Most requests a second to one network; 0: no limit.", ge=0, le=10000)
    ] = 50.0

    def __post_init__(self) -> None:
        check(self.interface)
        self._places()
        sought = [one for one in self.devices if not one.address]
        if not self.port and not self.bbmd:
            self._check_reach(sought)
        named: dict[int, str] = {}
        for one in sought:
            if (other := named.setdefault(one.instance, one.name)) != one.name:
                raise ValueError(f"{other} and {one.name} have the same instance: give them addresses")

    def _check_reach(self, sought: Sequence[BacnetDevice]) -> None:
        """Raise ValueError where only a broadcast could find a device, and none can be heard."""
        if sought:
            raise ValueError(f"port 0 hears no broadcast: give {sought[0].name} an address, or set bbmd")
        for one in self.devices:
            network = one.peer.network
            if network != HERE and str(network) not in self.routers:
                raise ValueError(
                    f"port 0 hears no router: name that to network {network} in routers, or set bbmd"
                )

    def points(self) -> Sequence[Point]:
        """List every point of every device."""
        return [point for device in self.devices for point in device.described(self.location)]

    def plan(self) -> Sequence[Poll]:
        """List the requests of one cycle of each device, as planned before anything is learnt from it."""
        from drivers.bacnet.plan import polls

        return [poll for device in self.devices for poll in polls(device)]

    async def run(self, emit: Emit, clock: Clock, desk: Desk) -> None:
        """Poll until cancelled; raise DriverError when the interface is lost or the port taken."""
        from drivers.bacnet.poll import Poller

        async with self._client(clock) as client:
            await Poller(client, self._readers(client, clock), emit=emit, clock=clock, desk=desk).run()

    async def read(self, points: tuple[str, ...], clock: Clock) -> Sequence[Reading]:
        """Read *points* (empty: all) once; raise DriverError when the port cannot be had."""
        from drivers.bacnet.poll import read

        async with self._client(clock) as client:
            return await read(self._readers(client, clock), points, clock)

    def needs(self) -> Needs:
        """Give the network of the interface, who is called beyond it, and the port that devices answer to."""
        from drivers.bacnet.interface import network

        bbmd, routers = self._places()
        known = [bbmd, *(peer for _, peer in routers), *(one.peer for one in self.devices if one.address)]
        called = (one.place[0] for one in known if one is not None and one.network == HERE)
        return Needs(hosts=(network(self.interface), *dict.fromkeys(called)), udp=self.port or None)

    def led(self, host: str, port: int) -> Driver:
        """Give this link on loopback, with its devices at one address, and little patience."""
        devices = tuple(replace(one, address=f"{host}:{port}") for one in self.devices)
        return replace(
            self, interface=f"{host}/8", port=0, bbmd="", routers={}, devices=devices, timeout=Duration(0.2)
        )

    def slips(self) -> Sequence[str]:
        """Name the services that could be asked for and change a device."""
        from drivers.bacnet.apdu import slips

        return slips()

    def _places(self) -> tuple[Peer | None, tuple[tuple[int, Peer], ...]]:
        """Give the broadcast manager and the routers; raise ValueError where they are none."""
        bbmd = _here(self.bbmd, "bbmd") if self.bbmd else None
        routers = []
        for network, address in self.routers.items():
            if not network.isdecimal() or not 1 <= int(network) <= 65534:
                raise ValueError(f'routers: "{network}" is no network: they are 1 to 65534')
            routers.append((int(network), _here(address, "routers")))
        return bbmd, tuple(routers)

    @asynccontextmanager
    async def _client(self, clock: Clock) -> AsyncIterator[Client]:
        from drivers.bacnet.client import Client, Pace
        from drivers.bacnet.endpoint import Place
        from drivers.bacnet.identity import own_device
        from drivers.bacnet.interface import find

        bbmd, routers = self._places()
        place = Place(
            interface=find(self.interface), port=self.port, bbmd=bbmd, ttl=round(self.ttl), routers=routers
        )
        own = own_device(self.device_id, self.name, self.timeout)
        client = Client(place, own, Pace(timeout=self.timeout, rate=self.rate), clock)
        await client.open()
        try:
            yield client
        finally:
            await client.close()

    def _readers(self, client: Client, clock: Clock) -> list[Reader]:
        from drivers.bacnet.find import Finder
        from drivers.bacnet.reader import Reader

        finder = Finder(client, clock, self.timeout)
        return [Reader(device, client, finder, clock) for device in self.devices]


def _here(address: str, key: str) -> Peer:
    """Read an address that must lie on this network; raise ValueError that names *key*."""
    try:
        peer = Peer.parse(address)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
    if peer.network != HERE:
        raise ValueError(f"{key}: {address} lies behind a router; give an IP address")
    return peer
