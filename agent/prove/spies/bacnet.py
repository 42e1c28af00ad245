"""A BACnet device on loopback that provokes: refusals, aborts, acknowledgements of nothing, and writes to us.

Written on bare bytes, so that it shares no code with what it spies on. Source: ANSI/ASHRAE 135, annex J and
clauses 6, 20 and 21. Services that change a device are not listed; those that change none are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

from agent.prove.spies.heard import Heard

_HARMLESS: Final = frozenset((5, 12, 14))
"""Confirmed services: SubscribeCOV, which changes only who is told, ReadProperty, ReadPropertyMultiple."""
_HARMLESS_TO_ALL: Final = frozenset((0, 7, 8))
"""Unconfirmed services: I-Am, Who-Has, Who-Is."""
_WRITE_PROPERTY: Final = 15
_ANOTHER_NAME: Final = bytes.fromhex("0c0200000119 4d3e 7504 0068 6921 3f".replace(" ", ""))
_TURNS: Final = 6


class _Spy(asyncio.DatagramProtocol):
    """Its socket."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._line: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._line = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Note what was asked, answer, and ask for a change of the asker's own."""
        message = _application(data)
        if message is None or len(message) < 2:
            return
        match message[0] >> 4:
            case 0 if len(message) >= 4:
                self._heard.asked += 1
                if message[3] not in _HARMLESS:
                    self._heard.writes.append(f"confirmed service {message[3]}")
                self._send(_provoked(self._heard.asked, message[2], message[3]), addr)
                self._send(bytes((0x00, 0x05, 77, _WRITE_PROPERTY)) + _ANOTHER_NAME, addr, answered=True)
            case 1 if message[1] not in _HARMLESS_TO_ALL:
                self._heard.writes.append(f"unconfirmed service {message[1]}")
            case 2 | 3 if message[1] == 77:
                self._heard.writes.append("it acknowledged a write to itself")

    def _send(self, message: bytes, to: tuple[str, int], *, answered: bool = False) -> None:
        if message and self._line is not None:
            body = bytes((1, 4 if answered else 0)) + message
            self._line.sendto(bytes((0x81, 0x0A)) + (len(body) + 4).to_bytes(2, "big") + body, to)


@asynccontextmanager
async def bacnet_spy() -> AsyncIterator[tuple[int, Heard]]:
    """Listen on a free UDP port of loopback; give the port and what is heard."""
    heard = Heard()
    loop = asyncio.get_running_loop()
    line, _ = await loop.create_datagram_endpoint(lambda: _Spy(heard), local_addr=("127.0.0.1", 0))
    try:
        yield line.get_extra_info("sockname")[1], heard
    finally:
        line.close()


def _application(datagram: bytes) -> bytes | None:
    """Give the application message of a datagram to a station or to all; None if there is none."""
    if len(datagram) < 7 or datagram[0] != 0x81 or datagram[1] not in (0x0A, 0x0B):
        return None
    control, at = datagram[5], 6
    if control & 0x80:
        return None  # a message of the network layer
    if control & 0x20:
        at += 4 + datagram[at + 2]
    return datagram[at:]


def _provoked(turn: int, invoke: int, service: int) -> bytes:
    """Give the answer of one turn; the empty one is silence."""
    match turn % _TURNS:
        case 0:
            return b""
        case 1 | 2:
            return bytes((0x50, invoke, service, 0x91, 2, 0x91, 32))  # an error: unknown property
        case 3:
            return bytes((0x60, invoke, 9))  # rejected: unrecognised service
        case 4:
            return bytes((0x71, invoke, 4))  # aborted: segmentation
    return bytes((0x20, invoke, service))  # done, whatever was asked for
