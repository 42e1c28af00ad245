"""Where a BACnet station is: its network and its address there, as bytes and as text.

On the network that this computer is part of, a station is known by IP address and port; on any other one (a
field bus behind a router) by the number of that network and the station's address on it. That pair cannot
mislead, whatever device instances people have given twice.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from msgspec import Struct

PORT: Final = 47808
HERE: Final = 0
"""The number that stands for the network that this computer is part of."""

EVERYWHERE: Final = 0xFFFF
_ROUTED: Final = re.compile(r"(\d{1,5}):(\S+)")
_HEX: Final = re.compile(r"0x((?:[0-9a-fA-F]{2}){1,7})")
EXPECTED: Final = (
    'expected an IP address ("10.20.0.15" or "10.20.0.15:47809"), or network and address on it ("2001:12")'
)


class Peer(Struct, frozen=True, order=True):
    """One station: ``mac`` is four bytes of IP address and two of port, or its address on a field bus."""

    network: int
    mac: bytes

    @classmethod
    def parse(cls, text: str) -> Peer:
        """Read ``10.20.0.15``, ``10.20.0.15:47809``, ``2001:12`` or ``2001:0x0a0b``; raise ValueError."""
        if text.count(".") == 3:
            if (routed := _ROUTED.fullmatch(text)) and "." in routed[2]:
                return cls(_network(routed[1]), _ip(routed[2]))
            return cls(HERE, _ip(text))
        if not (routed := _ROUTED.fullmatch(text)):
            raise ValueError(EXPECTED)
        network, station = _network(routed[1]), routed[2]
        if written := _HEX.fullmatch(station):
            return cls(network, bytes.fromhex(written[1]))
        if station.isdecimal() and int(station) <= 0xFF:
            return cls(network, bytes((int(station),)))
        raise ValueError(EXPECTED)

    @classmethod
    def at(cls, host: str, port: int) -> Peer:
        """Give the station at an IP address and port of this network."""
        return cls(HERE, ipaddress.IPv4Address(host).packed + port.to_bytes(2, "big"))

    @property
    def place(self) -> tuple[str, int]:
        """IP address and port, of a station on this network."""
        return place(self.mac)

    def __str__(self) -> str:
        """Give the text that reads back as the same station."""
        if len(self.mac) == 6 and (self.network == HERE or self.mac[:1] != b"\0"):
            host, port = self.place
            station = host if port == PORT else f"{host}:{port}"
        else:
            station = str(self.mac[0]) if len(self.mac) == 1 else f"0x{self.mac.hex()}"
        return station if self.network == HERE else f"{self.network}:{station}"


def place(mac: bytes) -> tuple[str, int]:
    """Give IP address and port out of six bytes."""
    return ".".join(map(str, mac[:4])), int.from_bytes(mac[4:6], "big")


def _network(text: str) -> int:
    number = int(text)
    if not 1 <= number < EVERYWHERE:
        raise ValueError(f"network {number} does not exist: they are 1 to 65534")
    return number


def _ip(text: str) -> bytes:
    host, colon, port = text.partition(":")
    try:
        packed = ipaddress.IPv4Address(host).packed
    except ValueError:
        raise ValueError(EXPECTED) from None
    number = int(port) if port.isdecimal() else 0 if colon else PORT
    if not 1 <= number <= 0xFFFF:
        raise ValueError(EXPECTED)
    return packed + number.to_bytes(2, "big")
