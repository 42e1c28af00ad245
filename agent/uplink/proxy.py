"""Asks an HTTP proxy for a way to the broker (RFC 9110, CONNECT); what follows is between us and the broker.

TLS begins behind it, with the broker's own name: a proxy that looks inside is found out by its certificate.
"""

from __future__ import annotations

import asyncio
import binascii
import re
import socket
from typing import Final

from agent.core.errors import UplinkError

_MOST: Final = 8192  # bytes of the proxy's answer
_STATUS: Final = re.compile(rb"[1-5]\d\d")
_CURES: Final = {
    407: "it wants proxy_username and proxy_password, or refuses those that it got",
    403: "it does not allow this host or port: its operator has to",
    405: "it does not allow CONNECT to this port: its operator has to",
    502: "it cannot reach the broker: is the name right, as seen from the proxy?",
    503: "it cannot reach the broker just now",
    504: "the broker does not answer it",
}  # fmt: skip


async def ask(opened: socket.socket, host: str, port: int, login: str | None, *, proxy: str) -> None:
    """Have the proxy connect to *host* and *port*; raise UplinkError, with the socket closed."""
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(opened, _request(host, port, login))
        _judge(await _answer(opened), proxy)
    except OSError as error:
        opened.close()
        raise UplinkError(f"{proxy}: {error.strerror or error}") from error
    except BaseException:
        opened.close()
        raise


async def _answer(opened: socket.socket) -> bytes:
    """Read until the end of the headers, of the connection, or of patience with either."""
    loop, answer = asyncio.get_running_loop(), b""
    while b"\r\n\r\n" not in answer and len(answer) <= _MOST:
        if not (piece := await loop.sock_recv(opened, 1024)):
            break
        answer += piece
    return answer


def _request(host: str, port: int, login: str | None) -> bytes:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    if login:
        words = binascii.b2a_base64(login.encode(), newline=False).decode()
        lines.append(f"Proxy-Authorization: Basic {words}")
    return "\r\n".join([*lines, "", ""]).encode()


def _judge(answer: bytes, proxy: str) -> None:
    head, whole, rest = answer.partition(b"\r\n\r\n")
    if not whole:
        raise UplinkError(f"{proxy} closed the connection, or does not speak HTTP; is it a proxy?")
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not _STATUS.fullmatch(words[1]):
        raise UplinkError(f"{proxy} does not speak HTTP; is it a proxy?")
    status = int(words[1])
    if not 200 <= status < 300:
        cure = _CURES.get(status, "ask its operator")
        raise UplinkError(f"the proxy {proxy} refuses the way to the broker ({status}): {cure}")
    if rest:
        raise UplinkError(f"{proxy} says more than it may before the broker was reached")
