"""Stations of another network, behind a router made of bytes that shares our port on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agent.core.clock import Clock, SystemClock
from agent.core.duration import Duration
from drivers.bacnet.client import Client, Pace
from drivers.bacnet.device import BacnetDevice
from drivers.bacnet.endpoint import Place
from drivers.bacnet.interface import Interface
from drivers.bacnet.peer import EVERYWHERE, Peer
from drivers.bacnet.point import BacnetPoint
from drivers.bacnet.stack import Heard, IAm, Route, SilentError
from drivers.bacnet_ip import BacnetIp
from tests.drivers.bacnet.kit import OWN, ref
from tests.drivers.bacnet.wire import FakeDevice, wrapped
from tests.peers.bacnet import free_port
from tests.virtual import VirtualClock

NETWORK, STATION = 2001, 12
POINT = ref("analog-input,1 present-value")
THERE = Peer.parse(f"{NETWORK}:{STATION}")
SOURCE = b"\x07\xd1\x01\x0c"


class Router(FakeDevice):
    """A router with one station behind it; ``served`` says whether the bus behind it is up."""

    def __init__(self) -> None:
        super().__init__()
        self.served = True
        self.sought = 0

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ANN401 - as asyncio has it
        control = data[5]
        if control & 0x80:
            self.sought += 1
            if self.served:
                self.transport.sendto(wrapped(b"\x01\x07\xd1", b"\x01\x80"), addr)
        elif control & 0x20 and data[6:8] in (b"\xff\xff", b"\x07\xd1"):
            start = 10 + data[8]
            if self.served:
                super().datagram_received(data[:4] + b"\x01\x00" + data[start:], addr)
            else:
                self.transport.sendto(wrapped(b"\x03\x01\x07\xd1", b"\x01\x80"), addr)

    def send(self, apdu: bytes, addr: Any) -> None:  # noqa: ANN401
        if not self.transport.is_closing():
            self.transport.sendto(wrapped(apdu, b"\x01\x08" + SOURCE), addr)


class Ear(asyncio.DatagramProtocol):
    """What the router hears of broadcasts."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ANN401
        self._router.datagram_received(data, addr)


@asynccontextmanager
async def network(clock: Clock, *, known: bool = False) -> AsyncIterator[tuple[Router, Client]]:
    """Run a router and a client of ours; *known*: the client is told where the router is."""
    loop, port = asyncio.get_running_loop(), free_port()
    transport, router = await loop.create_datagram_endpoint(Router, local_addr=("127.0.0.2", port))
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for shared in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        ear.setsockopt(socket.SOL_SOCKET, shared, 1)
    ear.bind(("127.255.255.255", port))
    hearing, _ = await loop.create_datagram_endpoint(lambda: Ear(router), sock=ear)
    place = Place(
        interface=Interface("127.0.0.1", "127.255.255.255"),
        port=port,
        routers=((NETWORK, router.peer),) if known else (),
    )
    client = Client(place, OWN, Pace(timeout=0.5, rate=0), clock)
    await client.open()
    try:
        yield router, client
    finally:
        await client.close()
        transport.close()
        hearing.close()
        await asyncio.sleep(0)


async def test_a_router_is_found_when_it_is_needed(virtual: VirtualClock) -> None:
    async with network(virtual) as (router, client):
        assert await client.read(THERE, POINT) == 21
        assert await client.read(THERE, POINT) == 21
        assert router.sought == 1


async def test_a_router_that_we_are_told_of_is_not_sought(virtual: VirtualClock) -> None:
    async with network(virtual, known=True) as (router, client):
        assert await client.read(THERE, POINT) == 21
        assert router.sought == 0


async def test_a_router_that_we_are_told_of_is_not_replaced_by_what_others_say(virtual: VirtualClock) -> None:
    async with network(virtual, known=True) as (router, client):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(wrapped(b"\x01\x07\xd1", b"\x01\x80"), client.address.place)
            await virtual.sleep(0.1)
            assert await client.read(THERE, POINT) == 21
        assert len(router.asked) == 1


async def test_a_field_bus_carries_one_request_at_a_time(virtual: VirtualClock) -> None:
    async with network(virtual) as (router, client):
        router.delay = 0.05
        await asyncio.gather(*(client.read(THERE, POINT) for _ in range(10)))
        assert router.most_pending == 1


async def test_no_router_is_a_sentence_and_costs_its_own_patience(virtual: VirtualClock) -> None:
    async with network(virtual) as (_, client):
        began = virtual.boot()
        with pytest.raises(SilentError, match="no router to network 7 answers"):
            await client.read(Peer.parse("7:1"), POINT)
        assert virtual.boot() - began < 3
        began = virtual.boot()
        for station in range(50):  # those behind the same router do not wait for it again
            with pytest.raises(SilentError):
                await client.read(Peer.parse(f"7:{station}"), POINT)
        assert virtual.boot() - began < 1
        await virtual.sleep(30)
        with pytest.raises(SilentError):
            await client.read(Peer.parse("7:1"), POINT)
        assert virtual.boot() - began > 31


async def test_a_router_that_lost_its_bus_is_sought_again(virtual: VirtualClock) -> None:
    async with network(virtual) as (router, client):
        assert await client.read(THERE, POINT) == 21
        router.served = False
        with pytest.raises(SilentError):
            await client.read(THERE, POINT)
        router.served = True
        assert await client.read(THERE, POINT) == 21
        assert router.sought == 2


async def test_a_device_behind_a_router_says_who_it_is(virtual: VirtualClock) -> None:
    heard: list[Heard] = []
    async with network(virtual) as (router, client):
        client.listen(heard.append)
        await client.who_is(1011, 1011, Peer(EVERYWHERE, b""))
        await virtual.sleep(0.1)
        assert heard == [IAm(THERE, 1011, 1476, segments=False, vendor=15)]
        await client.who_is(at=Peer(NETWORK, b""))
        await virtual.sleep(0.1)
        assert heard[1:] == heard[:1]
        await client.who_is_router()
        await virtual.sleep(0.1)
        assert heard[-1] == Route(router.peer, (NETWORK,))


async def test_the_driver_reads_a_device_behind_a_router() -> None:
    async with network(SystemClock()) as (_router, client):
        await client.close()
        points = {"a": BacnetPoint(object="analog-input,1"), "b": BacnetPoint(object="analog-input,2")}
        known = BacnetDevice(name="room-1", instance=1011, address=f"{NETWORK}:{STATION}", points=points)
        sought = BacnetDevice(name="room-2", instance=1011, points=points)
        link = BacnetIp(
            name="bms",
            interface="127.0.0.1/8",
            port=client.address.place[1],
            timeout=Duration(0.3),
            rate=0.0,
            devices=(known, sought),
        )
        readings = await link.read((), SystemClock())
        assert [one.sample.value for one in readings] == [21, 22, 21, 22]


async def test_a_router_from_whose_network_nothing_has_come_for_long_is_sought_again(
    virtual: VirtualClock,
) -> None:
    """It may have been replaced; while others behind it are heard, one that is silent says nothing."""
    async with network(virtual) as (router, client):
        assert await client.read(THERE, POINT) == 21
        router.mute = True
        with pytest.raises(SilentError):
            await client.read(THERE, POINT)
        assert router.sought == 1
        await virtual.sleep(70)
        with pytest.raises(SilentError):
            await client.read(THERE, POINT)
        router.mute = False
        assert await client.read(THERE, POINT) == 21
        assert router.sought == 2
