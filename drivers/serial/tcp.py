"""A serial server on the network that passes bytes on as they come (ser2net's raw mode, many P1 adapters).

It never writes. Keep-alive finds a server that died without a word within 16 s; nothing else would, since
nothing of ours is ever on its way.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from agent.core.errors import DriverError
from drivers.serial.source import CHUNK

_CONNECT: Final = 5.0
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))


class TcpSource:
    """An open connection."""

    def __init__(self, where: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._where, self._reader, self._writer = where, reader, writer

    async def read(self) -> bytes:
        """Wait for bytes; raise DriverError when the connection ends."""
        try:
            data = await self._reader.read(CHUNK)
        except OSError as error:
            raise DriverError(f"{self._where} is lost: {error.strerror or error}") from error
        if not data:
            raise DriverError(f"{self._where} closed the connection")
        return data

    def close(self) -> None:
        """End the connection."""
        self._writer.transport.abort()


async def connect(host: str, port: int) -> TcpSource:
    """Connect to *host*; raise DriverError when that takes more than 5 s or fails."""
    where = f"{host} port {port}"
    try:
        async with asyncio.timeout(_CONNECT):
            reader, writer = await asyncio.open_connection(host, port, limit=4 * CHUNK)
    except TimeoutError:
        raise DriverError(f"{where} does not answer: no connection within {_CONNECT:g} s") from None
    except OSError as error:
        raise DriverError(f"{where} cannot be reached: {error.strerror or error}") from error
    line: socket.socket = writer.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        line.setsockopt(socket.IPPROTO_TCP, option, value)
    return TcpSource(where, reader, writer)
