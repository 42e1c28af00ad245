"""The ways to a Modbus endpoint: how a connection is opened, and what its medium asks for."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from drivers.modbus.frames import Frames
from drivers.modbus.session import LinkLostError, Session, reason

if TYPE_CHECKING:
    import ssl

_CONNECT: Final = 5.0
_DEAD_AFTER_MS: Final = 4000  # unacknowledged for so long: the connection is gone
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))


class Way(Protocol):
    """One endpoint.

    ``quiet`` is the silence in seconds that must stand before a request, ``character`` what one byte takes
    on the line. ``lasting``: the way has no reason to end, so that an end is news even while nothing is
    asked.
    """

    where: str
    quiet: float
    character: float
    lasting: bool

    def frames(self) -> Frames:
        """Make the frames of this way."""
        ...

    async def open(self, make: Callable[[], Session]) -> Session:
        """Open the connection; raise LinkLostError."""
        ...


class TcpWay:
    """A way through TCP: Modbus TCP, RTU through a transparent converter, or Modbus Security.

    *tls* is our side of it, and the name that must stand in the certificate of the other.
    Source for the socket options: tcp(7), RFC 5482.
    """

    quiet = 0.0
    lasting = False

    def __init__(
        self,
        host: str,
        port: int,
        *,
        rtu: bool = False,
        character: float = 0.0,
        tls: tuple[ssl.SSLContext, str] | None = None,
    ) -> None:
        self.where = f"{host} port {port}"
        self.character = character
        self._host, self._port, self._rtu, self._tls = host, port, rtu, tls

    def frames(self) -> Frames:
        """Make the frames of this way."""
        # imported here: each way has its own, and holds no other
        if self._rtu:
            from drivers.modbus.frames_rtu import RtuFrames

            return RtuFrames()
        from drivers.modbus.frames_tcp import TcpFrames

        return TcpFrames()

    async def open(self, make: Callable[[], Session]) -> Session:
        """Open the connection; raise LinkLostError."""
        loop, (tls, name) = asyncio.get_running_loop(), self._tls or (None, None)
        try:
            async with asyncio.timeout(_CONNECT):
                transport, session = await loop.create_connection(
                    make, self._host, self._port, ssl=tls, server_hostname=name
                )
        except TimeoutError:
            raise LinkLostError(f"{self.where} did not take a connection within {_CONNECT:.0f} s") from None
        except OSError as error:
            text = f"no connection to {self.where}: {reason(error)}"
            raise LinkLostError(text, cheap=_is_cheap(error)) from error
        _watch(transport.get_extra_info("socket"))
        return session


def _is_cheap(error: OSError) -> bool:
    """Say whether the other end refused at once, or has not heard of us at all."""
    return isinstance(error, ConnectionRefusedError) or error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)


def _watch(sock: socket.socket) -> None:
    """Have the kernel find out soon that the other end is gone."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_AFTER_MS)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
