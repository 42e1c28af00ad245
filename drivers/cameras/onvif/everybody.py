"""Asks every camera of a network to say where it is (WS-Discovery), once, and listens for a while."""

from __future__ import annotations

import asyncio
import socket
import uuid
from typing import Final
from urllib.parse import urlsplit

from agent.core.clock import Clock
from agent.core.errors import DriverError
from drivers.cameras.onvif.post import End
from drivers.cameras.onvif.tree import XmlError, read

GROUP: Final = "239.255.255.250"
_PORT: Final = 3702
_MOST: Final = 256
_SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
_ADDRESSING: Final = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_DISCOVERY: Final = "http://schemas.xmlsoap.org/ws/2005/04/discovery"


async def everybody(interface: str, settle: float, clock: Clock) -> list[End]:
    """Give the device services that answered within *settle*; raise DriverError when nobody can be asked."""
    ears = _Ears()
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        channel.setblocking(False)
        channel.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        if interface:
            channel.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        channel.bind((interface, 0))
    except OSError as error:
        channel.close()
        raise DriverError(
            f"{interface or 'this computer'} cannot ask everybody ({error.strerror}): name the gateway's own"
            " address in the cameras' network with --interface"
        ) from error
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: ears, sock=channel)
    try:
        probe = _probe()
        for _ in range(2):  # a datagram may be lost; who heard both answers twice, which costs nothing
            transport.sendto(probe, (GROUP, _PORT))
            await clock.sleep(settle / 2)
    finally:
        transport.close()
    if ears.failed and not ears.found:
        raise DriverError(
            f"nobody can be asked ({ears.failed}): name the gateway's own address with --interface"
        )
    return sorted(ears.found.values(), key=lambda one: (one.host, one.port))


class _Ears(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.found: dict[str, End] = {}
        self.failed = ""

    def error_received(self, exc: Exception) -> None:
        self.failed = str(exc)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Note where a camera is: at the address that it spoke from, whatever it says."""
        if addr[0] in self.found or len(self.found) >= _MOST:
            return
        try:
            answer = read(data)
        except XmlError:
            return
        if (match := answer.find("ProbeMatch")) is not None:
            places = match.word("XAddrs").split()
            self.found[addr[0]] = _end(addr[0], places)


def _end(host: str, places: list[str]) -> End:
    """Give the service that a camera names, on the host that it spoke from."""
    first = End(host, 80)
    for place in sorted(places, key=lambda one: host not in one):
        try:
            parts = urlsplit(place)
            port = parts.port
        except ValueError:
            continue
        if parts.scheme == "http" and parts.path:
            return End(host, port or 80).moved(place)
    return first


def _probe() -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{_SOAP}" xmlns:a="{_ADDRESSING}"'
        f' xmlns:d="{_DISCOVERY}" xmlns:n="http://www.onvif.org/ver10/network/wsdl"><s:Header>'
        f"<a:MessageID>urn:uuid:{uuid.uuid4()}</a:MessageID>"
        "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
        f"<a:Action>{_DISCOVERY}/Probe</a:Action></s:Header>"
        "<s:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>"
    ).encode()
