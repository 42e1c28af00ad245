"""Reads where to look: a host, a host with its port, a subnet, or a serial port of this computer.

Pure. It refuses a subnet that nobody can have meant, and what is none of these, with the nearest right form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from msgspec import Struct

from agent.core.errors import ConfigError

_MOST: Final = 1024
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_FORMS: Final = (
    "write a host (10.20.0.15), a host with its port (10.20.0.15:1502), a subnet (10.20.0.0/24) "
    "or a serial port (/dev/serial/by-id/...)"
)


class Endpoint(Struct, frozen=True):
    """A host and its port; ``named``: a person named it, so that its silence is worth a word."""

    host: str
    port: int
    named: bool = True

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_path(text: str) -> bool:
    """Say whether *text* names a serial port."""
    return text.startswith(("/", "./"))


def endpoints(texts: Sequence[str], port: int | None) -> list[Endpoint]:
    """Give every endpoint that *texts* mean, each once, *port* where they say none; raise ConfigError."""
    found: dict[tuple[str, int], Endpoint] = {}
    for text in texts:
        for one in _subnet(text, port) if "/" in text else [_single(text, port)]:
            known = found.setdefault((one.host, one.port), one)
            if one.named and not known.named:
                found[one.host, one.port] = one
    return list(found.values())


def unit_numbers(text: str, *, lowest: int = 0, highest: int = 255) -> tuple[int, ...]:
    """Read ``1-16,100``: numbers in the order written, each once; raise ConfigError."""
    found: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,3})\s*(?:-\s*(\d{1,3}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not lowest <= first <= last <= highest:
            raise ConfigError(
                f'--units: "{part.strip()}" is no unit number; write 1-16,100 with numbers from '
                f"{lowest} to {highest}"
            )
        found.update(dict.fromkeys(range(first, last + 1)))
    return tuple(found)


def _subnet(text: str, port: int | None) -> list[Endpoint]:
    try:
        net = ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(f'"{text}" is no place to look; {_FORMS}') from None
    if net.num_addresses > _MOST:
        raise ConfigError(
            f"{text} has {net.num_addresses:,} addresses, and a search takes {_MOST:,} at most: name the "
            f"part in which the devices are, such as {net.network_address}/{net.max_prefixlen - 8}"
        )
    return [Endpoint(str(host), _port(text, port), named=False) for host in net.hosts()]


def _single(text: str, port: int | None) -> Endpoint:
    host, number = text, port
    if match := re.fullmatch(r"\[(.+)\](?::(\d+))?", text):
        host, number = match[1], int(match[2]) if match[2] else port
    elif text.count(":") == 1:
        host, _, digits = text.partition(":")
        number = int(digits) if digits.isascii() and digits.isdecimal() else -1
    if not _is_host(host):
        raise ConfigError(f'"{text}" is no place to look; {_FORMS}')
    return Endpoint(host, _port(text, number))


def _port(text: str, port: int | None) -> int:
    if port is None:
        raise ConfigError(f"{text}: which port does the converter use? write {text}:4001, or --port 4001")
    if not 0 < port < 0x10000:
        raise ConfigError(f'"{text}": a port is a number from 1 to 65535')
    return port


def _is_host(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        numeric = re.fullmatch(r"[\d.]+", text)
        return bool(_HOST.fullmatch(text)) and not numeric and len(text) <= 253
    return True
