"""What tests of BACnet share: a client of ours on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.core.clock import Clock, SystemClock
from drivers.bacnet.client import Client, Pace
from drivers.bacnet.endpoint import Place
from drivers.bacnet.interface import Interface
from drivers.bacnet.own import OwnDevice
from drivers.bacnet.peer import Peer
from drivers.bacnet.value import ObjectId, Ref, property_number

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
