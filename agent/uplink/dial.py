"""Opens the socket to a broker, with TLS if asked; every wait can be cancelled, every failure is a sentence.

It hands out a socket only when everything that was asked for holds: asked for TLS, there is TLS.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Final

from agent.core.errors import UplinkError
from agent.core.plan import proxy_address
from agent.uplink.port import Call
from agent.uplink.stream import Wants

_NEVER_HEARD: Final = frozenset((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN))
_UNANSWERED_MS: Final = 15_000  # the kernel gives up on bytes that nobody has acknowledged for so long


async def dial(call: Call) -> tuple[socket.socket, Wants]:
    """Connect to the first address of the broker that answers; raise UplinkError."""
    where = f"{call.host}:{call.port}"
    try:
        async with asyncio.timeout(call.patience):
            if not call.tls:
                return await _opened(call, where), Wants()
            # imported here, since nobody else should pay for it
            from agent.uplink import tls

            if call.identity is not None:
                context = await asyncio.to_thread(call.identity.context)
            else:
                files = (call.ca, call.certificate, call.key)
                context = await asyncio.to_thread(tls.context, *files, call.alpn)
            opened = await _opened(call, where)
            return await tls.secured(opened, context, call.host, where), tls.WANTS
    except TimeoutError as error:
        raise UplinkError(f"{where} did not answer within {call.patience:g} s") from error


async def _opened(call: Call, where: str) -> socket.socket:
    """Open a socket on which only the broker hears us: to it, or through a proxy."""
    if not call.proxy:
        return await _connected(call.host, call.port, where, patience=call.patience)
    from agent.uplink import proxy

    host, port = proxy_address(call.proxy)
    opened = await _connected(host, port, f"{host}:{port}", patience=call.patience)
    await proxy.ask(opened, call.host, call.port, call.proxy_login, proxy=f"{host}:{port}")
    return opened


async def _connected(host: str, port: int, where: str, *, patience: float) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        # as bytes, because a text would load the tables of international names, 0.7 MB, for any host
        name = host.encode() if host.isascii() else host
        addresses = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise UplinkError(
            f'no address is known for "{host}" ({error.strerror}); check its name and DNS', cheap=True
        ) from error
    trouble: OSError | None = None
    for family, kind, protocol, _, address in addresses:
        made = socket.socket(family, kind, protocol)
        try:
            _prepare(made)
            async with asyncio.timeout(patience / len(addresses)):  # one dead address must not use it all up
                await loop.sock_connect(made, address)
        except OSError as error:
            trouble = error
        else:
            return made
        finally:
            if made.fileno() >= 0 and not _is_connected(made):
                made.close()
    if isinstance(trouble, TimeoutError):
        raise TimeoutError
    cheap = trouble is not None and (
        isinstance(trouble, ConnectionRefusedError) or trouble.errno in _NEVER_HEARD
    )
    raise UplinkError(_unreachable(trouble, where), cheap=cheap) from trouble


def _prepare(made: socket.socket) -> None:
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNANSWERED_MS)


def _is_connected(made: socket.socket) -> bool:
    try:
        made.getpeername()
    except OSError:
        return False
    return True


def _unreachable(trouble: OSError | None, where: str) -> str:
    if isinstance(trouble, ConnectionRefusedError):
        return f"nothing listens on {where}: is the broker running, is the port right?"
    said = (trouble and trouble.strerror) or "no address could be tried"
    return f"{where} cannot be reached: {said.lower()}"
