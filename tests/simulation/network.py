"""A network in memory: connections that are slow, break, or go dead without a word, on virtual time.

``SimLoop.create_connection`` is the byte boundary: above it the production code of drivers runs unchanged.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from random import Random
from typing import Any, Final

from tests.virtual import VirtualLoop

_USER_TIMEOUT: Final = 4.0  # as drivers ask of the kernel: unacknowledged for so long
_FOREVER: Final = 10.0**7


class Socket:
    """Takes the options that are set on a socket."""

    def setsockopt(self, *_: object) -> None:
        """Take it."""


class End(asyncio.Transport):
    """One end of a connection. What is written arrives at the other end later, in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, latency: Callable[[], float]) -> None:
        super().__init__({"socket": Socket()})
        self.peer: End | None = None
        self.protocol: asyncio.Protocol | None = None
        self.dead = False  # the cable is cut: nothing arrives any more, and nobody is told
        self.closed = False
        self._loop = loop
        self._latency = latency
        self._arrival = 0.0

    def write(self, data: Any) -> None:  # noqa: ANN401 - bytes in any of their forms
        """Send, unless the connection is over."""
        if self.closed or self.peer is None:
            return
        if self.dead:
            self._loop.call_later(_USER_TIMEOUT, self.lose, _error(errno.ETIMEDOUT))
            return
        self._later(self.peer.receive, bytes(data))

    def receive(self, data: bytes) -> None:
        """Hand what has come to the protocol."""
        if not self.closed and not self.dead and self.protocol is not None:
            self.protocol.data_received(data)

    def lose(self, error: OSError | None) -> None:
        """Tell the protocol that it is over."""
        if not self.closed and self.protocol is not None:
            self.closed = True
            self.protocol.connection_lost(error)

    def is_closing(self) -> bool:
        """Say whether it is over."""
        return self.closed

    def close(self) -> None:
        """End it; the other end hears of it unless the cable is cut."""
        if self.closed:
            return
        self.closed = True
        if self.protocol is not None:
            self._loop.call_soon(self.protocol.connection_lost, None)
        if self.peer is not None and not self.dead:
            self._later(self.peer.lose, None)

    def abort(self) -> None:
        """End it at once."""
        self.close()

    def reset(self) -> None:
        """End it with a reset: the other end hears ECONNRESET."""
        if self.peer is not None and not self.closed:
            self.closed = True
            self._later(self.peer.lose, _error(errno.ECONNRESET))

    def _later(self, what: Callable[[Any], None], word: object) -> None:
        self._arrival = max(self._arrival + 1e-6, self._loop.time() + self._latency())
        self._loop.call_at(self._arrival, what, word)


class Host:
    """Somebody who listens. ``mode``: well, refusing, or unreachable."""

    def __init__(self, serve: Callable[[End], asyncio.Protocol]) -> None:
        self.serve = serve
        self.mode = "well"
        self.open: list[End] = []

    def cut(self) -> None:
        """Cut the cable of every connection that is open."""
        for end in self.open:
            end.dead = True
            if end.peer is not None:
                end.peer.dead = True


class Network:
    """Hosts by their names."""

    def __init__(self, rng: Random) -> None:
        self.hosts: dict[str, Host] = {}
        self._rng = rng

    async def connect(
        self, loop: asyncio.AbstractEventLoop, make: Callable[[], asyncio.BaseProtocol], host: str
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Open a connection to *host*; raise OSError."""
        found = self.hosts[host]
        await asyncio.sleep(self._latency())
        if found.mode == "refusing":
            raise _error(errno.ECONNREFUSED)
        if found.mode == "unreachable":
            await asyncio.sleep(_FOREVER)
        near, far = End(loop, self._latency), End(loop, self._latency)
        near.peer, far.peer = far, near
        found.open = [one for one in found.open if not one.closed] + [far]
        far.protocol = found.serve(far)
        protocol = make()
        assert isinstance(protocol, asyncio.Protocol)
        near.protocol = protocol
        protocol.connection_made(near)
        return near, protocol

    def _latency(self) -> float:
        return self._rng.uniform(0.0005, 0.004)


class SimLoop(VirtualLoop):
    """A virtual loop whose TCP connections lead into ``network``."""

    network: Network

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **_: object,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect to a host of the network."""
        return await self.network.connect(self, protocol_factory, f"{host}:{port}")


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
