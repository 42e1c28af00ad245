"""What tests of BACnet share: a client of ours on loopback, and a driver that runs meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

from agent.core.clock import Clock, SystemClock
from agent.core.driver import Desk, Driver
from agent.core.sample import Quality, Sample
from drivers.bacnet.client import Client, Pace
from drivers.bacnet.endpoint import Place
from drivers.bacnet.interface import Interface
from drivers.bacnet.own import OwnDevice
from drivers.bacnet.peer import Peer
from drivers.bacnet.value import ObjectId, Ref, property_number
from drivers.bacnet_ip import BacnetIp

OWN = OwnDevice(4000001, "gateway", 1.0)
LOOPBACK = Interface("127.0.0.1")


def ref(text: str) -> Ref:
    """Read ``analog-input,1 present-value``."""
    one, known = text.split()
    return Ref(ObjectId.parse(one), property_number(known))


@asynccontextmanager
async def client(
    pace: Pace | None = None, clock: Clock | None = None, *, bbmd: Peer | None = None
) -> AsyncIterator[Client]:
    """Run a client of ours on a free port; quick, so that tests need not wait."""
    where = Place(interface=LOOPBACK, port=0, bbmd=bbmd)
    one = Client(where, OWN, pace or Pace(timeout=0.3, rate=0), clock or SystemClock())
    await one.open()
    try:
        yield one
    finally:
        await one.close()


class Seen:
    """Collects samples, and lets a test wait for what it wants to see."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._news = asyncio.Event()

    def __call__(self, samples: Iterable[Sample]) -> None:
        self.samples.extend(samples)
        self._news.set()

    def of(self, point: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.point == point]

    async def until(self, point: str, fits: Callable[[Sample], bool], count: int = 1) -> Sample:
        """Wait for the *count*-th sample of *point* that *fits*."""
        async with asyncio.timeout(20):
            while len(found := [one for one in self.of(point) if fits(one)]) < count:
                self._news.clear()
                await self._news.wait()
        return found[count - 1]


@asynccontextmanager
async def running(driver: BacnetIp) -> AsyncIterator[tuple[Seen, Desk]]:
    """Run *driver* while the test looks on."""
    seen, desk = Seen(), Desk()
    contract: Driver = driver
    task = asyncio.create_task(contract.run(seen, SystemClock(), desk))
    try:
        yield seen, desk
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def good(sample: Sample) -> bool:
    return sample.quality is Quality.GOOD
