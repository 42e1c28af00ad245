"""The sockets of a link: messages to stations, to networks and to everybody, and the way back.

It finds the router to a network when it is first needed, and again when nothing has been heard from there
for long; it keeps the registration at a broadcast manager. What comes in and is not whole is counted and
dropped.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from agent.core.clock import Clock
from agent.core.errors import DriverError
from drivers.bacnet.foreign import REGISTERED, Registration
from drivers.bacnet.frames import (
    REFUSALS,
    Bvlc,
    Frame,
    Network,
    datagram,
    networks,
    parse,
    result,
    split,
    to_station,
    who_is_router,
)
from drivers.bacnet.interface import Interface, Sockets, is_ours, open_sockets
from drivers.bacnet.peer import EVERYWHERE, HERE, Peer
from drivers.bacnet.stack import Route, SilentError
from drivers.bacnet.turns import Bucket

_BROADCASTS: Final = 2.0  # a second, on the average
_BURST: Final = 10
_REFUSED: Final = 5.0
_ROUTER_PATIENCE: Final = 2.0
_MISSING: Final = 20.0  # seconds for which nobody asks for a router again
_STALE: Final = 60.0
_AT_ONCE: Final = 50
_LONGEST: Final = 2048


class Place(Struct, frozen=True, kw_only=True):
    """Where a link stands: interface and port (0: any), broadcast manager and time there, known routers."""

    interface: Interface
    port: int
    bbmd: Peer | None = None
    ttl: int = 60
    routers: tuple[tuple[int, Peer], ...] = ()


class Endpoint:
    """One place on a network; *take* gets each message, *hear* each router's word."""

    def __init__(
        self, place: Place, clock: Clock, take: Callable[[Frame], None], hear: Callable[[Route], None]
    ) -> None:
        self._place, self._clock, self._take, self._hear = place, clock, take, hear
        self._broadcasts = Bucket(clock, _BROADCASTS, _BURST)
        self._refused = Bucket(clock, _REFUSED)
        self._routes = dict(place.routers)
        self._fixed = frozenset(self._routes)
        self._heard: dict[int, float] = {}
        self._missing: dict[int, float] = {}
        self._news = asyncio.Event()
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._sockets: Sockets | None = None
        self.registration = (
            Registration(place.bbmd, place.ttl, self._write, clock) if place.bbmd is not None else None
        )
        self.address = Peer(HERE, bytes(6))
        self.dropped = self.unsent = 0

    async def open(self) -> None:
        """Bind, and register; raise DriverError when the port cannot be had."""
        self._sockets = sockets = open_sockets(self._place.interface, self._place.port)
        self.address = Peer.at(*sockets.main.getsockname())
        loop = asyncio.get_running_loop()
        for one in (sockets.main, *sockets.ears):
            loop.add_reader(one, self._readable, one)
        if self.registration is not None:
            try:
                await self.registration.ask()
            except BaseException:
                self.close()
                raise

    @property
    def deaf(self) -> bool:
        """Whether broadcasts should be heard and cannot be, because another program keeps them to itself."""
        place = self._place
        return bool(place.interface.broadcast and place.port and self._sockets and not self._sockets.ears)

    async def watch(self) -> None:
        """Keep the registration; raise DriverError when the interface is gone."""
        if self.registration is None:
            raise DriverError(await asyncio.shield(self._lost))
        async with asyncio.TaskGroup() as both:
            both.create_task(self.registration.keep())
            both.create_task(self._raise_when_lost())

    async def _raise_when_lost(self) -> None:
        raise DriverError(await asyncio.shield(self._lost))

    def close(self) -> None:
        """Leave the broadcast manager's list and give the sockets back."""
        if (sockets := self._sockets) is None:
            return
        if self.registration is not None:
            self.registration.end()
        self._sockets = None
        loop = asyncio.get_running_loop()
        for one in (sockets.main, *sockets.ears):
            loop.remove_reader(one)
        sockets.close()
        self._lost.cancel()

    async def way(self, peer: Peer) -> Peer:
        """Give the station that a message to *peer* is handed to; raise SilentError if no router is found."""
        if peer.network == HERE:
            return peer
        if (router := self._routes.get(peer.network)) is not None:
            return router
        missing = f"no router to network {peer.network} answers"
        if self._clock.boot() < self._missing.get(peer.network, 0.0):
            raise SilentError(missing)
        await self.ask_for_routers(peer.network)
        try:
            async with asyncio.timeout(_ROUTER_PATIENCE):
                while (router := self._routes.get(peer.network)) is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            self._missing[peer.network] = self._clock.boot() + _MISSING
            raise SilentError(missing) from None
        return router

    def send(self, message: bytes, peer: Peer, way: Peer, *, answered: bool = False) -> None:
        """Hand an application message for *peer* to *way*."""
        self._write(datagram(Bvlc.UNICAST, to_station(message, peer, answered=answered)), way)

    async def to_all(self, message: bytes, network: int = HERE) -> None:
        """Send a message to everybody on *network*, in its turn; raise SilentError if we cannot."""
        where = Peer(network, b"")
        body = to_station(message, where, answered=False)
        if network not in (HERE, EVERYWHERE):
            way = await self.way(where)
            await self._broadcasts.take()
            self._write(datagram(Bvlc.UNICAST, body), way)
        else:
            await self._to_all_here(body)

    async def ask_for_routers(self, network: int | None = None) -> None:
        """Ask for the router to *network*, or for all; raise SilentError if we cannot."""
        await self._to_all_here(who_is_router(network))

    async def _to_all_here(self, body: bytes) -> None:
        await self._broadcasts.take()
        if self.registration is not None:
            if self.registration.state != REGISTERED:
                raise SilentError(f"not registered at {self.registration.bbmd}: {self.registration.state}")
            self._write(datagram(Bvlc.DISTRIBUTE, body), self.registration.bbmd)
        elif self._place.interface.broadcast and self._place.port:
            everybody = Peer.at(self._place.interface.broadcast, self._place.port)
            self._write(datagram(Bvlc.BROADCAST, body), everybody)
        else:
            raise SilentError("nobody can be asked without an address: this link has no broadcast address")

    def fell_silent(self, peer: Peer) -> None:
        """Look for the router again, if nothing at all has come from the peer's network for long."""
        if peer.network in self._fixed or peer.network not in self._routes:
            return
        if self._clock.boot() - self._heard.get(peer.network, 0.0) > _STALE:
            del self._routes[peer.network]

    def _readable(self, one: socket.socket) -> None:
        """Take what waits in a socket, but not so much at once that nothing else gets its turn."""
        for _ in range(_AT_ONCE):
            try:
                data, (host, port) = one.recvfrom(_LONGEST)
            except BlockingIOError:
                return
            except OSError as error:
                self._failed(error)
                return
            self.received(data, Peer(HERE, socket.inet_aton(host) + port.to_bytes(2, "big")))

    def received(self, data: bytes, sender: Peer) -> None:
        """Take a datagram."""
        parts = split(data)
        if parts is None:
            self.dropped += 1
            return
        function, body = parts
        if function == Bvlc.RESULT and len(body) == 2:
            if self.registration is not None:
                self.registration.result(sender, int.from_bytes(body, "big"))
            return
        if function in REFUSALS:
            self.dropped += 1
            if self._refused.may():
                self._write(result(REFUSALS[function]), sender)
            return
        if function == Bvlc.FORWARDED and self.registration is not None and sender != self.registration.bbmd:
            self.dropped += 1
            return
        frame = parse(function, body, sender)
        if frame is None:
            self.dropped += 1
        elif frame.sender != self.address:  # else it is our own broadcast
            self._frame(frame)

    def _frame(self, frame: Frame) -> None:
        network = frame.source.network
        if network != HERE:
            self._heard[network] = self._clock.boot()
            if network not in self._routes:
                self._learn((network,), frame.sender)
        if frame.message < 0:
            self._take(frame)
        elif frame.message == Network.I_AM_ROUTER:
            found = networks(frame.data)
            self._learn(found, frame.sender)
            self._hear(Route(frame.sender, found))
        elif frame.message == Network.REJECT and len(frame.data) >= 3:
            lost = int.from_bytes(frame.data[1:3], "big")
            if lost not in self._fixed and self._routes.get(lost) == frame.sender:
                del self._routes[lost]

    def _learn(self, found: tuple[int, ...], router: Peer) -> None:
        now = self._clock.boot()
        for network in found:
            if network not in self._fixed:
                self._routes[network] = router
                self._heard.setdefault(network, now)
        self._news.set()

    def _write(self, data: bytes, to: Peer) -> None:
        if self._sockets is None:
            return
        try:
            self._sockets.main.sendto(data, to.place)
        except BlockingIOError:
            self.dropped += 1  # as if the network had lost it
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        """Count a datagram that could not leave; without our address none ever will."""
        self.unsent += 1
        host = self._place.interface.host
        if not self._lost.done() and not is_ours(host):
            self._lost.set_result(
                f"this computer has not the address {host} any more ({error.strerror}); is its cable in?"
            )
