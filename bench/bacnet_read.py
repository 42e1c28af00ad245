"""CPU per BACnet point read by ReadPropertyMultiple: our client, against bare bacpypes3 and BAC0.

All ask one device made with another stack (rusty-bacnet, a process of its own, whose CPU is not counted) for
the same 25 objects a request, one request at a time, in turn in one run; the smallest of the rounds counts.
Each checks that it got the values. BAC0 takes one property of each object in one such request; the others are
measured so too, and with what tells how far a value can be trusted.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from importlib import import_module
from typing import Any

from agent.core.clock import SystemClock
from agent.demo.air_handler import free_udp_port
from bench._report import Figure, show
from drivers.bacnet.client import Client, Pace
from drivers.bacnet.endpoint import Place
from drivers.bacnet.interface import Interface
from drivers.bacnet.own import OwnDevice
from drivers.bacnet.peer import Peer
from drivers.bacnet.value import ObjectId, Ref, property_number
from tests.peers import bacnet

OBJECTS, REQUESTS, ROUNDS = 25, 40, 5
VALUE = ("present-value",)
TRUST = ("present-value", "status-flags", "reliability")

Case = Callable[[str, tuple[str, ...]], Coroutine[Any, Any, float]]


def main() -> None:
    """Measure all in turn, and tell."""
    cases: dict[tuple[str, tuple[str, ...]], Case] = {
        ("ours", VALUE): _ours,
        ("bacpypes3", VALUE): _bacpypes3,
        ("BAC0", VALUE): _bac0,
        ("ours", TRUST): _ours,
        ("bacpypes3", TRUST): _bacpypes3,
    }
    best: dict[tuple[str, tuple[str, ...]], float] = {}
    with bacnet.rusty(instance=1011, analog_input=OBJECTS) as device, tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home  # BAC0 looks for files of its own there
        for number in range(ROUNDS):
            print(f"round {number + 1} of {ROUNDS}", flush=True)
            for (who, properties), case in cases.items():
                spent = asyncio.run(case(device.address, properties))
                best[who, properties] = min(spent, best.get((who, properties), spent))
    show([
        Figure(
            name=f"bacnet_read.{word}.{against.lower()}", what=f"CPU of a point, {what}",
            value=best["ours", properties], unit="us", against=against, floor=best[against, properties],
            aim=best[against, properties] * aim,
        )
        for word, what, properties, against, aim in (
            ("value", "its value alone", VALUE, "bacpypes3", 1.05),
            ("value", "its value alone", VALUE, "BAC0", 0.9),
            ("trust", "with flags and reliability", TRUST, "bacpypes3", 1.05),
        )
    ])  # fmt: skip


async def _timed(ask: Callable[[], Awaitable[list[float]]]) -> float:
    """Give the CPU of a point in microseconds; the values must be the device's."""
    await ask()
    begun = time.process_time()
    for _ in range(REQUESTS):
        values = await ask()
        assert len(values) == OBJECTS
        assert abs(values[-1] - (20 + (OBJECTS - 1) / 10)) < 0.001
    return (time.process_time() - begun) / REQUESTS / OBJECTS * 1e6


async def _ours(address: str, properties: tuple[str, ...]) -> float:
    refs = [Ref(ObjectId(0, number), property_number(one)) for number in range(OBJECTS) for one in properties]
    peer = Peer.parse(address)
    client = Client(
        Place(interface=Interface("127.0.0.1"), port=0),
        OwnDevice(4000001, "bench", 1.0),
        Pace(rate=0),
        SystemClock(),
    )
    await client.open()

    async def ask() -> list[float]:
        answers = await client.read_many(peer, refs)
        return [one for one in answers[:: len(properties)] if isinstance(one, float)]

    try:
        return await _timed(ask)
    finally:
        await client.close()


async def _bacpypes3(address: str, properties: tuple[str, ...]) -> float:
    application = import_module("bacpypes3.ipv4.app").NormalApplication
    device = import_module("bacpypes3.local.device").DeviceObject
    pdu = import_module("bacpypes3.pdu")
    app = application(
        device(objectIdentifier=("device", 4000002), objectName="bare", vendorIdentifier=999),
        pdu.IPv4Address("127.0.0.1/8:0"),
    )
    there = pdu.Address(address)
    wanted: list[Any] = []
    for number in range(OBJECTS):
        wanted += [f"analog-input,{number}", list(properties)]

    async def ask() -> list[float]:
        answers = await app.read_property_multiple(there, wanted)
        return [float(value) for _, what, _, value in answers if str(what) == "present-value"]

    try:
        return await _timed(ask)
    finally:
        app.close()


async def _bac0(address: str, properties: tuple[str, ...]) -> float:
    bac0 = import_module("BAC0")
    bac0.log_level("silence")
    words = " ".join(f"analog-input {number} {properties[0]}" for number in range(OBJECTS))
    async with bac0.start(ip="127.0.0.1/8", port=free_udp_port(), deviceId=4000003) as network:

        async def ask() -> list[float]:
            return [float(one) for one in await network.readMultiple(f"{address} {words}")]

        return await _timed(ask)


if __name__ == "__main__":
    main()
