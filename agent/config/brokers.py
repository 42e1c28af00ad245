"""Reads the address of a broker: ``mqtts://host[:port]``, or ``wss://host[:port][/path]`` within WebSocket.

It refuses user names and passwords in the address, paths of MQTT alone, questions, and any other scheme.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
_REST: Final = re.compile(r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,200})?")
_FORM: Final = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.-]*)://(?P<user>.*@)?(?P<host>\[[^\]]*\]|[^:/?#@]*)(?P<rest>.*)"
)
_HOST: Final = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]"
)
_IPV6: Final = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?")
_WITH_PORT: Final = re.compile(r"([^:\s]+):(\d{1,5})")


class Broker(Struct, frozen=True):
    """Where a broker listens, and whether the way there is encrypted, or goes within WebSocket by ``path``.

    ``path`` is as written: it may be empty.
    """

    host: str
    port: int
    is_encrypted: bool
    is_websocket: bool = False
    path: str = ""


def parse_broker(text: str) -> Broker:
    """Read an address; raise ValueError, after ``; `` perhaps with a hint."""
    found = _FORM.fullmatch(text)
    if found is None:
        bare = text.strip().strip("/")
        hint = f'; did you mean "mqtts://{bare}"?' if re.fullmatch(r"[\w.-]+(:\d+)?", bare) else ""
        raise ValueError(f'expected an address such as "mqtts://broker.example:8883"{hint}')
    scheme = found["scheme"].lower()
    if scheme not in _PORTS:
        raise ValueError(f'unknown scheme "{found["scheme"]}"; write mqtts:// or mqtt://, wss:// or ws://')
    if found["user"]:
        what = "password" if ":" in found["user"] else "user name"
        raise ValueError(f'a {what} stands in this address; write username, and password = "credential:NAME"')
    if flaw := host_flaw(found["host"]):
        raise ValueError(flaw)
    rest = _REST.fullmatch(found["rest"])
    is_web = scheme.startswith("ws")
    if rest is None or (rest["path"] not in (None, "/") and not is_web):
        may = "only a port, and a path without question marks," if is_web else "only a port"
        raise ValueError(f'"{found["rest"]}" does not belong here; after the host {may} may stand')
    port = int(rest["port"] or _PORTS[scheme])
    if not 1 <= port <= 65535:
        raise ValueError("a port is between 1 and 65535")
    host, path = found["host"].strip("[]").lower(), (rest["path"] or "") if is_web else ""
    return Broker(host, port, scheme in ("mqtts", "wss"), is_web, path)


def host_flaw(text: str) -> str:
    """Say why *text* is no host, after ``; `` perhaps with a hint; empty when it is one."""
    if _HOST.fullmatch(text):
        parts = text.split(".")
        is_numeric = all(one.isdigit() for one in parts)
        if is_numeric and (len(parts) != 4 or any(int(one) > 255 for one in parts)):
            return f'"{text}" is no address: it has four numbers between 0 and 255'
        return ""
    if _IPV6.fullmatch(text):
        return "" if _is_ipv6(text) else f'"{text}" is no address of IPv6'
    words = f'"{text}" is no host name or address'
    if (whole := _FORM.fullmatch(text.strip())) and _HOST.fullmatch(whole["host"]):
        return f'{words}; did you mean "{whole["host"]}"?'
    if port := _WITH_PORT.fullmatch(text.strip()):
        return f'{words}; the port is a key of its own: "{port[1]}", and port = {port[2]}'
    return f'{words}; did you mean "{text.strip()}"?' if _HOST.fullmatch(text.strip()) else words


def _is_ipv6(text: str) -> bool:
    import socket  # few links have such an address

    try:
        socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except OSError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Say whether *host* is this computer."""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
