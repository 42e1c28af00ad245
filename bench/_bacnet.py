"""One process of the BACnet measurements: 1,000 points at a beat, or a flood of notices; ours or bacpypes3.

    python -m bench._bacnet points  ours|bacpypes3 ADDRESS SECONDS
    python -m bench._bacnet notices ours|bacpypes3 ADDRESS SECONDS

It prints a line of JSON. Notices are counted from the first one on; it says "ready" when it has subscribed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

POINTS, PER_REQUEST, EVERY = 1000, 25, 10.0
_SETTLE = 3.0
TRUST = ("present-value", "status-flags", "reliability")


def _memory() -> float:
    """Give the resident memory in MB."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS"))


async def _our_points(address: str, seconds: float) -> dict[str, float]:
    from agent.core.clock import SystemClock
    from agent.core.driver import Desk
    from agent.core.duration import Duration
    from agent.core.sample import Sample
    from drivers.bacnet.device import BacnetDevice
    from drivers.bacnet.point import BacnetPoint
    from drivers.bacnet_ip import BacnetIp

    good = 0

    def emit(samples: Iterable[Sample]) -> None:
        nonlocal good
        good += sum(one.value is not None for one in samples)

    points = {f"p{number}": BacnetPoint(object=f"analog-input,{number}") for number in range(POINTS)}
    device = BacnetDevice(name="ahu", address=address, every=Duration(EVERY), points=points)
    link = BacnetIp(name="bms", interface="127.0.0.1/8", port=0, rate=0.0, devices=(device,))
    life = asyncio.create_task(link.run(emit, SystemClock(), Desk()))
    await asyncio.sleep(_SETTLE)
    begun, before = time.process_time(), good
    await asyncio.sleep(seconds)
    spent, values, memory = time.process_time() - begun, good - before, _memory()
    life.cancel()
    with suppress(asyncio.CancelledError):
        await life
    return {"cpu": 100 * spent / seconds, "rss": memory, "values": values / seconds}


def _application() -> Any:  # noqa: ANN401 - bacpypes3 has no types
    device = import_module("bacpypes3.local.device").DeviceObject(
        objectIdentifier=("device", 4000002), objectName="bare", vendorIdentifier=999
    )
    address = import_module("bacpypes3.pdu").IPv4Address("127.0.0.1/8:0")
    return import_module("bacpypes3.ipv4.app").NormalApplication(device, address)


async def _bare_points(address: str, seconds: float) -> dict[str, float]:
    app, there = _application(), import_module("bacpypes3.pdu").Address(address)
    requests = []
    for first in range(0, POINTS, PER_REQUEST):
        wanted: list[Any] = []
        for number in range(first, first + PER_REQUEST):
            wanted += [f"analog-input,{number}", list(TRUST)]
        requests.append(wanted)
    good = 0

    async def poll() -> None:
        nonlocal good
        due = time.monotonic()
        while True:
            for wanted in requests:
                answers = await app.read_property_multiple(there, wanted)
                good += sum(str(what) == "present-value" for _, what, _, _ in answers)
            due += EVERY
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    life = asyncio.create_task(poll())
    await asyncio.sleep(_SETTLE)
    begun, before = time.process_time(), good
    await asyncio.sleep(seconds)
    spent, values, memory = time.process_time() - begun, good - before, _memory()
    life.cancel()
    app.close()
    return {"cpu": 100 * spent / seconds, "rss": memory, "values": values / seconds}


async def _our_notices(address: str, seconds: float) -> dict[str, float]:
    from agent.core.clock import SystemClock
    from drivers.bacnet.changes import Changes, Wish
    from drivers.bacnet.client import Client, Pace
    from drivers.bacnet.endpoint import Place
    from drivers.bacnet.interface import Interface
    from drivers.bacnet.own import OwnDevice
    from drivers.bacnet.peer import Peer
    from drivers.bacnet.value import ObjectId

    clock = SystemClock()
    place = Place(interface=Interface("127.0.0.1"), port=0)
    client = Client(place, OwnDevice(4000001, "bench", 1.0), Pace(rate=0), clock)
    await client.open()
    one = ObjectId(0, 1)
    changes = Changes(Wish(name="ahu", objects=(one,), lifetime=3600), client, clock)
    life = asyncio.create_task(changes.run(lambda _: None))
    changes.found(Peer.parse(address), 1011)
    while not changes.covers(one):  # noqa: ASYNC110 - it tells nobody when the first notice has come
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    begun, before = time.process_time(), changes.tally.notices
    await asyncio.sleep(seconds)
    spent, count = time.process_time() - begun, changes.tally.notices - before
    life.cancel()
    with suppress(asyncio.CancelledError):
        await life
    await client.close()
    return {"notices": count, "cpu_us": 1e6 * spent / max(1, count)}


async def _bare_notices(address: str, seconds: float) -> dict[str, float]:
    app = _application()
    monitored = import_module("bacpypes3.primitivedata").ObjectIdentifier("analog-input,1")
    there = import_module("bacpypes3.pdu").Address(address)
    count = 0
    async with app.change_of_value(there, monitored, 7, False, 3600) as told:
        await told.get_value()
        print("ready", flush=True)

        async def hear() -> None:
            nonlocal count
            while True:
                what, _ = await told.get_value()
                count += str(what) == "present-value"

        begun = time.process_time()
        task = asyncio.create_task(hear())
        await asyncio.sleep(seconds)
        spent, heard = time.process_time() - begun, count
        task.cancel()
    app.close()
    return {"notices": heard, "cpu_us": 1e6 * spent / max(1, heard)}


_ROLES = {
    ("points", "ours"): _our_points,
    ("points", "bacpypes3"): _bare_points,
    ("notices", "ours"): _our_notices,
    ("notices", "bacpypes3"): _bare_notices,
}

if __name__ == "__main__":
    print(json.dumps(asyncio.run(_ROLES[sys.argv[1], sys.argv[2]](sys.argv[3], float(sys.argv[4])))))
