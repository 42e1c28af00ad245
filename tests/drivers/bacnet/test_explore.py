"""A search tells what it found, and of what it did not find it says why, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agent.core.search import Found, Missed, Told
from drivers.bacnet.explore import Explorer, Wish
from drivers.bacnet.names import PROPERTIES
from drivers.bacnet.peer import Peer
from drivers.bacnet.stack import Heard, IAm, RefusedError, Route, SilentError
from drivers.bacnet.value import Answer, Fault, ObjectId, Ref, Value
from tests.virtual import VirtualClock

GOOD, GONE, SHY, ROUTER, EMPTY = (Peer.parse(f"10.0.0.{n}") for n in (7, 8, 9, 1, 66))
OBJECTS = PROPERTIES["object-list"]


class Town:
    """A network at the seam: one device that tells all, one that falls silent, one that refuses, a router."""

    def __init__(self) -> None:
        self._hear: Callable[[Heard], None] | None = None

    def listen(self, hear: Callable[[Heard], None]) -> Callable[[], None]:
        self._hear = hear
        return lambda: setattr(self, "_hear", None)

    async def who_is(self, low: int = 0, high: int = 4194303, at: Peer | None = None) -> None:
        assert self._hear is not None
        for instance, peer in ((7, GOOD), (8, GONE), (9, SHY)):
            if low <= instance <= high and at in (None, Peer(0, b""), Peer(65535, b""), peer):
                self._hear(IAm(peer, instance, 1476, segments=True, vendor=1))

    async def who_is_router(self, network: int | None = None) -> None:
        assert self._hear is not None
        self._hear(Route(ROUTER, (2001, 5)))
        self._hear(Route(EMPTY, ()))

    async def read(self, peer: Peer, ref: Ref) -> Value:
        if peer == GONE:
            raise SilentError("10.0.0.8 does not answer")
        if peer == SHY and ref.property == OBJECTS:
            raise RefusedError(Fault("error", 27, 5))
        return (ObjectId(8, 7),) if ref.property == OBJECTS else "name"

    async def read_many(self, peer: Peer, refs: Sequence[Ref]) -> Sequence[Answer]:
        return [await self.read(peer, one) for one in refs]


async def found(clock: VirtualClock, **wish: Any) -> tuple[Explorer, list[Told]]:  # noqa: ANN401
    told: list[Told] = []
    known = {"low": 0, "high": 99, "link": {"interface": "10.0.0.2/24"}}
    search = Explorer(Town(), Wish(**(known | wish)), clock, told.append)  # type: ignore[arg-type]
    await search.run()
    return search, told


async def test_routers_are_named_with_their_networks_and_devices_that_fail_with_their_reason(
    virtual: VirtualClock,
) -> None:
    search, told = await found(virtual)
    assert [one.instance for one in search.devices] == [7]
    [router] = [one for one in told if isinstance(one, Found) and one.address == str(ROUTER)]
    assert router.what == "router to networks 5, 2001"
    assert {one.address: one.why for one in told if isinstance(one, Missed)} == {
        str(GONE): "device 8 fell silent while it was asked; try it alone",
        str(SHY): "device 9 does not tell what it has (error read-access-denied)",
    }


async def test_only_of_a_few_named_addresses_it_is_said_that_nobody_answers(virtual: VirtualClock) -> None:
    _, told = await found(virtual, peers=(GOOD, EMPTY))
    assert [one.address for one in told if isinstance(one, Missed)] == [str(EMPTY)]
    _, told = await found(virtual, peers=tuple(Peer.parse(f"10.0.1.{n}") for n in range(1, 40)))
    assert not [one for one in told if isinstance(one, Missed)]
