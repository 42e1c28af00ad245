"""A town of BACnet stations on loopback, at the byte boundary: they say who they are, and nothing else.

Each has an address of its own and hears broadcasts. What a network does to a crowd happens here too: of many
who answer one question at once, those beyond ``crowd`` are not heard. One station may be a router: stations
of its networks answer through it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

_EVERYBODY: Final = "127.255.255.255"
_WHO_IS: Final = 8
_WHO_IS_ROUTER, _I_AM_ROUTER = 0, 1


class Station:
    """One device: its instance, and where it is; *network* and *mac* behind the router."""

    def __init__(self, instance: int, host: str, network: int = 0, mac: bytes = b"") -> None:
        self.instance, self.host, self.network, self.mac = instance, host, network, mac

    def i_am(self) -> bytes:
        """Write its I-Am, with its network and address if it is behind the router."""
        source = self.network.to_bytes(2, "big") + bytes((len(self.mac),)) + self.mac if self.network else b""
        one = (8 << 22 | self.instance).to_bytes(4, "big")
        apdu = b"\x10\x00\xc4" + one + b"\x22\x05\xc4\x91\x03\x21\x0f"
        return _datagram(0x0A, (b"\x01\x08" + source if source else b"\x01\x00") + apdu)


class Town(asyncio.DatagramProtocol):
    """What hears the broadcasts, and answers for all."""

    def __init__(self, stations: Sequence[Station], router: str, crowd: int) -> None:
        self._stations, self._router, self._crowd = stations, router, crowd
        self._mouths: dict[str, socket.socket] = {}
        self.asked: list[tuple[int, int]] = []

    def open(self, port: int) -> None:
        """Give each station its socket."""
        for host in {one.host for one in self._stations} | {self._router} - {""}:
            mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            mouth.setblocking(False)
            mouth.bind((host, port))
            self._mouths[host] = mouth

    def close(self) -> None:
        """Give the sockets back."""
        for mouth in self._mouths.values():
            mouth.close()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Hear what is said to everybody."""
        npdu = data[4:]
        if npdu[1] & 0x80:
            self._about_networks(npdu, addr)
            return
        everywhere, apdu = bool(npdu[1] & 0x20), npdu[6:] if npdu[1] & 0x20 else npdu[2:]
        if apdu[:2] != bytes((0x10, _WHO_IS)):
            return
        low, high = _range(apdu[2:])
        self.asked.append((low, high))
        found = [
            one for one in self._stations if low <= one.instance <= high and (everywhere or not one.network)
        ]
        for one in found[: self._crowd]:
            self._mouths[one.host].sendto(one.i_am(), addr)

    def _about_networks(self, npdu: bytes, addr: tuple[str | Any, int]) -> None:
        at = 6 if npdu[1] & 0x20 else 2
        networks = sorted({one.network for one in self._stations if one.network})
        if npdu[at] == _WHO_IS_ROUTER and self._router:
            listed = b"".join(one.to_bytes(2, "big") for one in networks)
            said = _datagram(0x0A, bytes((1, 0x80, _I_AM_ROUTER)) + listed)
            self._mouths[self._router].sendto(said, addr)


@asynccontextmanager
async def town(
    stations: Sequence[Station], *, router: str = "", crowd: int = 10_000
) -> AsyncIterator[tuple[Town, int]]:
    """Let *stations* live on a free port, which all of them have; give the town and the port."""
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    ear.bind((_EVERYBODY, 0))
    ear.setblocking(False)
    made = Town(stations, router, crowd)
    port: int = ear.getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: made, sock=ear)
    try:
        made.open(port)
        yield made, port
    finally:
        made.close()
        transport.close()


def _range(data: bytes) -> tuple[int, int]:
    if not data:
        return 0, 4194303
    first = data[0] & 7
    low = int.from_bytes(data[1 : 1 + first], "big")
    return low, int.from_bytes(data[2 + first : 2 + first + (data[1 + first] & 7)], "big")


def _datagram(function: int, npdu: bytes) -> bytes:
    return bytes((0x81, function)) + (4 + len(npdu)).to_bytes(2, "big") + npdu
