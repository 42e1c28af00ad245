"""BACnet/IP as this gateway speaks it: a client that reads, and a device that can only be asked who it is.

An application message that comes in is an answer to a request under way, or goes to the door (``door.py``).
An answer counts only from the station that was asked, under the number of the request, and if it names what
was asked: late, doubled and foreign ones are dropped and counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from msgspec import Struct

from agent.core.clock import Clock
from drivers.bacnet import apdu
from drivers.bacnet.apdu import Confirmed
from drivers.bacnet.door import Door, Key
from drivers.bacnet.endpoint import Endpoint, Place
from drivers.bacnet.exchange import Exchange, Pdu
from drivers.bacnet.foreign import Registration
from drivers.bacnet.frames import Frame
from drivers.bacnet.own import OwnDevice
from drivers.bacnet.peer import HERE, Peer
from drivers.bacnet.stack import Counts, Heard, RefusedError, SilentError, Subscription
from drivers.bacnet.tags import GarbledError
from drivers.bacnet.turns import Turns
from drivers.bacnet.value import Answer, Fault, ObjectId, Ref, Value

_NUMBERS: Final = 256
_HEAD: Final = 4
_TOO_LONG: Final = 11
_FIELD_BUS: Final = 3  # times as long for stations that must wait for their turn on a bus


class Pace(Struct, frozen=True, kw_only=True):
    """How long an answer may take, how often is asked again, and a network's requests a second."""

    timeout: float = 1.0
    retries: int = 1
    rate: float = 50.0


class Client:
    """A ``Stack`` over UDP."""

    def __init__(self, place: Place, own: OwnDevice, pace: Pace, clock: Clock) -> None:
        self._pace, self._clock = pace, clock
        self._endpoint = Endpoint(place, clock, self._take, self._tell)
        self._turns = Turns(clock, pace.rate)
        self._pending: dict[tuple[Peer, int], Exchange] = {}
        self._numbers: dict[Peer, int] = {}
        self._counts: dict[Peer, Counts] = {}
        self._subscribed: set[Key] = set()
        self._listeners: list[Callable[[Heard], None]] = []
        self.door = Door(own, self._subscribed, clock)
        self.strays = 0

    async def open(self) -> None:
        """Bind, and register; raise DriverError when the port cannot be had."""
        await self._endpoint.open()

    async def watch(self) -> None:
        """Keep what must be kept; raise DriverError when the interface is gone."""
        await self._endpoint.watch()

    async def close(self) -> None:
        """Give the socket back; calls under way end with SilentError."""
        self._endpoint.close()
        for exchange in self._pending.values():
            exchange.give_up()
        await asyncio.sleep(0)

    @property
    def address(self) -> Peer:
        """Our own address."""
        return self._endpoint.address

    @property
    def registration(self) -> Registration | None:
        """The registration at a broadcast manager, if there is to be one."""
        return self._endpoint.registration

    @property
    def deaf(self) -> bool:
        """Whether broadcasts should be heard and cannot be."""
        return self._endpoint.deaf

    @property
    def unsent(self) -> int:
        """How many datagrams the kernel had no way for."""
        return self._endpoint.unsent

    @property
    def dropped(self) -> int:
        """How many datagrams were no whole messages for us."""
        return self._endpoint.dropped

    async def read(self, peer: Peer, ref: Ref) -> Value:
        """Read one property by ReadProperty; raise RefusedError or SilentError."""
        data = await self._ask(peer, Confirmed.READ_PROPERTY, apdu.read_property(ref))
        with self._sound(peer):
            return apdu.read_ack(data, ref)

    async def read_many(self, peer: Peer, refs: Sequence[Ref]) -> Sequence[Answer]:
        """Read by one ReadPropertyMultiple; raise RefusedError or SilentError."""
        asked = apdu.read_property_multiple(refs)
        data = await self._ask(peer, Confirmed.READ_PROPERTY_MULTIPLE, asked)
        with self._sound(peer):
            return apdu.read_many_ack(data, refs)

    async def who_is(self, low: int = 0, high: int = apdu.ANY_INSTANCE, at: Peer | None = None) -> None:
        """Ask who has an instance of *low* to *high*; raise SilentError if nobody can be asked."""
        message = apdu.who_is(low, high)
        if at is None or not at.mac:
            await self._endpoint.to_all(message, HERE if at is None else at.network)
            return
        async with self._turns.turn(at):
            self._endpoint.send(message, at, await self._endpoint.way(at))

    async def who_is_router(self, network: int | None = None) -> None:
        """Ask for routers to *network*, or for all of them; raise SilentError if nobody can be asked."""
        await self._endpoint.ask_for_routers(network)

    async def subscribe(self, peer: Peer, wish: Subscription) -> None:
        """Subscribe to changes of an object, or renew that; raise RefusedError or SilentError."""
        key = peer, wish.process, wish.object
        new = key not in self._subscribed
        self._subscribed.add(key)  # the first notice may come before the answer
        try:
            await self._ask(peer, Confirmed.SUBSCRIBE_COV, apdu.subscribe(wish))
        except (RefusedError, SilentError):
            if new:
                self._subscribed.discard(key)
            raise

    async def unsubscribe(self, peer: Peer, process: int, monitored: ObjectId) -> None:
        """End a subscription; raise RefusedError or SilentError."""
        self._subscribed.discard((peer, process, monitored))
        await self._ask(peer, Confirmed.SUBSCRIBE_COV, apdu.unsubscribe(process, monitored))

    def listen(self, hear: Callable[[Heard], None]) -> Callable[[], None]:
        """Call *hear* with all that is heard from now on; give what ends that."""
        self._listeners.append(hear)
        return lambda: self._listeners.remove(hear)

    def counts(self, peer: Peer) -> Counts:
        """Give what was counted of a station."""
        if peer not in self._counts:
            self._counts[peer] = Counts()
        return self._counts[peer]

    async def _ask(self, peer: Peer, service: Confirmed, data: bytes) -> bytes:
        counts = self.counts(peer)
        if len(data) + _HEAD > apdu.MAX_APDU:
            raise self._refused(peer, Fault("abort", _TOO_LONG))
        async with self._turns.turn(peer):
            way = await self._endpoint.way(peer)
            number = self._number(peer)
            message = apdu.confirmed(service, number, data)
            exchange = self._pending[peer, number] = Exchange(service)
            counts.requests += 1
            try:
                for _ in range(1 + self._pace.retries):
                    began = self._clock.boot()
                    self._endpoint.send(message, peer, way, answered=True)
                    if await self._waited(exchange, peer):
                        break
            finally:
                del self._pending[peer, number]
            outcome = exchange.done.result() if exchange.done.done() else None
            if outcome is None:
                counts.silences += 1
                self._endpoint.fell_silent(peer)
                raise SilentError(f"{peer} does not answer")
            counts.rtt = self._clock.boot() - began
        if isinstance(outcome, Fault):
            raise self._refused(peer, outcome)
        return outcome

    async def _waited(self, exchange: Exchange, peer: Peer) -> bool:
        """Wait for the answer as long as is right; parts that come make it longer. Say whether it ended."""
        seen, timeout = -1, self._pace.timeout * (1 if peer.network == HERE else _FIELD_BUS)
        while not exchange.done.done() and exchange.progress != seen:
            seen = exchange.progress
            await asyncio.wait([exchange.done], timeout=timeout)
        return exchange.done.done() or exchange.progress > 0

    def _number(self, peer: Peer) -> int:
        """Give the next number that no request to *peer* has."""
        number = (self._numbers.get(peer, -1) + 1) % _NUMBERS
        while (peer, number) in self._pending:  # of which there are few: each takes a turn
            number = (number + 1) % _NUMBERS
        self._numbers[peer] = number
        return number

    @contextmanager
    def _sound(self, peer: Peer) -> Iterator[None]:
        """Turn an answer that cannot be read into a refusal."""
        try:
            yield
        except GarbledError:
            raise self._refused(peer, Fault("garbled")) from None

    def _refused(self, peer: Peer, fault: Fault) -> RefusedError:
        counts = self.counts(peer)
        match fault.kind:
            case "error":
                counts.errors += 1
            case "reject":
                counts.rejects += 1
            case "abort":
                counts.aborts += 1
            case "garbled":
                counts.garbled += 1
        return RefusedError(fault)

    def _take(self, frame: Frame) -> None:
        reply: bytes | None = None
        heard: Heard | None = None
        match frame.data[0] >> 4:
            case Pdu.CONFIRMED:
                reply, heard = self.door.confirmed(frame)
            case Pdu.UNCONFIRMED:
                reply, heard = self.door.unconfirmed(frame)
            case _:
                exchange = self._pending.get((frame.source, frame.data[1] if len(frame.data) > 1 else -1))
                if exchange is None:
                    self.strays += 1
                else:
                    reply = exchange.feed(frame.data)
        if reply is not None:
            self._endpoint.send(reply, frame.source, frame.sender)
        if heard is not None:
            self._tell(heard)

    def _tell(self, heard: Heard) -> None:
        for hear in tuple(self._listeners):
            hear(heard)
