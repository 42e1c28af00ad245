"""Registration as foreign device: at a broadcast manager that we did not write, and at one made of bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from agent.core.clock import Clock, SystemClock
from agent.core.duration import Duration
from drivers.bacnet.client import Client, Pace
from drivers.bacnet.device import BacnetDevice
from drivers.bacnet.endpoint import Place
from drivers.bacnet.peer import Peer
from drivers.bacnet.point import BacnetPoint
from drivers.bacnet.stack import SilentError
from drivers.bacnet_ip import BacnetIp
from tests.drivers.bacnet.kit import LOOPBACK, OWN
from tests.peers import bacnet
from tests.virtual import VirtualClock

TTL = 60


class Manager(asyncio.DatagramProtocol):
    """A broadcast manager of bytes: answers each registration with ``code``, or not at all."""

    def __init__(self) -> None:
        self.code: int | None = 0
        self.heard: list[tuple[float, bytes]] = []

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's base type cannot send
        self._transport = transport
        self.peer = Peer.at(*transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ANN401 - as asyncio has it
        self.heard.append((asyncio.get_running_loop().time(), data))
        if data[1] == 5 and self.code is not None:
            self._transport.sendto(b"\x81\x00\x00\x06" + self.code.to_bytes(2, "big"), addr)


@asynccontextmanager
async def registered(clock: Clock, code: int | None = 0) -> AsyncIterator[tuple[Client, Manager]]:
    loop = asyncio.get_running_loop()
    transport, manager = await loop.create_datagram_endpoint(Manager, local_addr=("127.0.0.1", 0))
    manager.code = code
    place = Place(interface=LOOPBACK, port=0, bbmd=manager.peer, ttl=TTL)
    client = Client(place, OWN, Pace(timeout=0.5, rate=0), clock)
    await client.open()
    try:
        yield client, manager
    finally:
        await client.close()
        for _ in range(5):  # what was sent last is still to be heard
            await asyncio.sleep(0)
        transport.close()
        await asyncio.sleep(0)


def state(client: Client) -> str:
    assert client.registration is not None
    return client.registration.state


async def test_a_device_is_found_through_a_broadcast_manager_from_any_port() -> None:
    with bacnet.rusty(instance=1011, analog_input=5, bbmd=True) as device:
        point = BacnetPoint(object="analog-input,3", unit="Cel")
        ahu = BacnetDevice(name="ahu-1", instance=1011, points={"supply": point})
        link = BacnetIp(
            name="bms",
            interface="127.0.0.1",
            port=0,
            bbmd=device.address,
            timeout=Duration(0.4),
            rate=0.0,
            devices=(ahu,),
        )
        [reading] = await link.read((), SystemClock())
        assert reading.sample.value == pytest.approx(20.3)


async def test_a_registration_is_renewed_at_half_of_its_time(virtual: VirtualClock) -> None:
    async with registered(virtual) as (client, manager):
        assert state(client) == "registered"
        watch = asyncio.ensure_future(client.watch())
        await virtual.sleep(10 * TTL)
        watch.cancel()
        times = [at for at, data in manager.heard if data == b"\x81\x05\x00\x06\x00\x3c"]
        gaps = [after - before for before, after in pairwise(times)]
        assert len(times) >= 20
        assert max(gaps) <= TTL / 2
    assert manager.heard[-1][1] == b"\x81\x05\x00\x06\x00\x00", "we did not leave its list"


async def test_a_registration_that_is_lost_is_asked_for_soon_and_seen(virtual: VirtualClock) -> None:
    async with registered(virtual, code=None) as (client, manager):
        assert state(client) == "no answer"
        with pytest.raises(SilentError, match="not registered"):
            await client.who_is()
        watch = asyncio.ensure_future(client.watch())
        await virtual.sleep(20)
        manager.code = 0
        await virtual.sleep(15)
        assert state(client) == "registered"
        await client.who_is(5, 7)
        await virtual.sleep(0.1)
        assert manager.heard[-1][1][:2] == b"\x81\x09"
        watch.cancel()


async def test_a_registration_that_is_refused_says_so(virtual: VirtualClock) -> None:
    async with registered(virtual, code=0x30) as (client, _):
        assert state(client) == "refused"


async def test_a_result_from_somebody_else_is_no_confirmation(virtual: VirtualClock) -> None:
    async with registered(virtual, code=None) as (client, _):
        assert client.registration is not None
        client.registration.result(Peer.parse("127.0.0.1:9"), 0)
        assert state(client) == "no answer"


def test_a_device_without_address_needs_a_way_to_be_found() -> None:
    nameless = BacnetDevice(name="ahu-1", instance=5)
    with pytest.raises(ValueError, match="give ahu-1 an address, or set bbmd"):
        BacnetIp(name="bms", interface="eth0", port=0, devices=(nameless,))
