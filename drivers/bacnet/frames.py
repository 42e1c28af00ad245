"""BACnet/IP datagrams as bytes: the virtual link layer and the network layer around an application message.

Pure. What cannot have been meant for us, or is not whole, gives nothing. We are no router and no broadcast
manager: such messages are not understood here. Source: ANSI/ASHRAE 135, annex J and clause 6.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from msgspec import Struct

from drivers.bacnet.peer import EVERYWHERE, HERE, Peer

MOST: Final = 1497 + 27
"""No datagram of the standard is longer."""


class Bvlc(IntEnum):
    """Functions of the virtual link layer."""

    RESULT = 0x00
    FORWARDED = 0x04
    REGISTER = 0x05
    DISTRIBUTE = 0x09
    UNICAST = 0x0A
    BROADCAST = 0x0B


REFUSALS: Final = {0x01: 0x10, 0x02: 0x20, 0x05: 0x30, 0x06: 0x40, 0x08: 0x50, 0x09: 0x60}
"""What only a broadcast manager does, and the result by which others refuse it."""


class Network(IntEnum):
    """Messages of the network layer that a station can use."""

    WHO_IS_ROUTER = 0x00
    I_AM_ROUTER = 0x01
    REJECT = 0x03


class Frame(Struct, frozen=True, gc=False):
    """One message: who it comes from, by which station of this network it came, and what it says.

    ``message`` is a number of ``Network``, or -1 for an application message.
    """

    source: Peer
    sender: Peer
    alone: bool
    """Whether it was sent to us alone, not to many."""

    message: int
    data: bytes


def split(datagram: bytes) -> tuple[int, bytes] | None:
    """Give the function of the link layer and what it carries, if the datagram is whole."""
    if not 4 <= len(datagram) <= MOST or datagram[0] != 0x81:
        return None
    if int.from_bytes(datagram[2:4], "big") != len(datagram):
        return None
    return datagram[1], datagram[4:]


def parse(function: int, body: bytes, sender: Peer) -> Frame | None:
    """Read a message out of what the link layer carries; *sender* is where the datagram came from."""
    origin = sender
    if function == Bvlc.FORWARDED:
        if len(body) < 6:
            return None
        origin, body = Peer(HERE, body[:6]), body[6:]
    elif function not in (Bvlc.UNICAST, Bvlc.BROADCAST):
        return None
    if len(body) < 3 or body[0] != 1:
        return None
    return _network_layer(function, body, origin, sender)


def _network_layer(function: int, body: bytes, origin: Peer, sender: Peer) -> Frame | None:
    control, at, alone, source = body[1], 2, function == Bvlc.UNICAST, origin
    try:
        if control & 0x20:
            if int.from_bytes(body[at : at + 2], "big") != EVERYWHERE:
                return None  # for a network behind a router, which we are not
            alone = False
            at += 3 + body[at + 2]
        if control & 0x08:
            network, size = int.from_bytes(body[at : at + 2], "big"), body[at + 2]
            mac = body[at + 3 : at + 3 + size]
            if not 0 < network < EVERYWHERE or not size or len(mac) != size:
                return None
            source = Peer(network, mac)
            at += 3 + size
        if control & 0x20:
            at += 1  # the hop count
        message = -1
        if control & 0x80:
            message = body[at]
            at += 1
    except IndexError:
        return None
    return Frame(source, origin, alone, message, body[at:]) if at < len(body) or message >= 0 else None


def datagram(function: Bvlc, body: bytes) -> bytes:
    """Put the head of the link layer before *body*."""
    return bytes((0x81, function)) + (4 + len(body)).to_bytes(2, "big") + body


def to_station(apdu: bytes, peer: Peer, *, answered: bool) -> bytes:
    """Write the network layer of a message to *peer*; *answered*: an answer is expected."""
    control = 0x04 if answered else 0x00
    if peer.network == HERE:
        return bytes((1, control)) + apdu
    head = bytes((1, control | 0x20)) + peer.network.to_bytes(2, "big")
    return head + bytes((len(peer.mac),)) + peer.mac + b"\xff" + apdu


def who_is_router(network: int | None) -> bytes:
    """Write a Who-Is-Router-To-Network."""
    wanted = b"" if network is None else network.to_bytes(2, "big")
    return bytes((1, 0x80, Network.WHO_IS_ROUTER)) + wanted


def networks(data: bytes) -> tuple[int, ...]:
    """Read the list of an I-Am-Router-To-Network."""
    found = (int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2))
    return tuple(one for one in found if 0 < one < EVERYWHERE)


def register(seconds: int) -> bytes:
    """Write a registration as foreign device."""
    return datagram(Bvlc.REGISTER, seconds.to_bytes(2, "big"))


def result(code: int) -> bytes:
    """Write a result of the link layer."""
    return datagram(Bvlc.RESULT, code.to_bytes(2, "big"))
