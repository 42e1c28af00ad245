"""A BACnet/IP device made of bytes: it answers as the test wants, and shares no code with what is tested.

It has analog inputs with a present value, status flags and a reliability, and knows what it was asked. Its
faults are attributes: no ReadPropertyMultiple, short messages, values of any bytes, silence.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from drivers.bacnet.peer import Peer

PRESENT_VALUE, FLAGS, RELIABILITY, MAX_APDU, IDENTIFIER = 85, 111, 103, 62, 75
UNRECOGNIZED, TOO_LONG_SEGMENTS, BUFFER_OVERFLOW = 9, 4, 1


def object_id(kind: int, number: int) -> bytes:
    return struct.pack(">I", kind << 22 | number)


def real(value: float) -> bytes:
    return b"\x44" + struct.pack(">f", value)


class FakeDevice(asyncio.DatagramProtocol):
    """One device; ``values`` by object type, number and property: the bytes between the brackets."""

    def __init__(self, instance: int = 1011, points: int = 100) -> None:
        self.instance, self.apdu = instance, 1476
        self.values: dict[tuple[int, int, int], bytes] = {}
        for number in range(points):
            self.values[0, number, PRESENT_VALUE] = real(20 + number)
            self.values[0, number, FLAGS] = b"\x82\x04\x00"
            self.values[0, number, RELIABILITY] = b"\x91\x00"
        self.values[8, instance, MAX_APDU] = b"\x22\x05\xc4"
        self.knows_many = True
        self.mute = False
        self.refuse: Callable[[list[tuple[int, int, int]]], bytes | None] = lambda _: None
        """Gives an abort, a reject or an error, all but the number of the request."""

        self.change: Callable[[bytes], list[bytes]] = lambda reply: [reply]
        """Gives what is really sent instead of a reply."""

        self.asked: list[list[tuple[int, int, int]]] = []
        self.pending = self.most_pending = 0
        self.delay = 0.0

    @property
    def peer(self) -> Peer:
        return Peer.at(*self.transport.get_extra_info("sockname"))

    @property
    def address(self) -> str:
        return str(self.peer)

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's base type cannot send
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ANN401 - as asyncio has it
        apdu = data[6:]
        if data[1] not in (0x0A, 0x0B) or apdu[0] >> 4:
            self.heard(data, addr)
            return
        if apdu[3] == 5:
            self.send(bytes((0x20, apdu[2], 5)), addr)  # a subscription
            return
        wanted = read_request(apdu[4:]) if apdu[3] == 12 else many_request(apdu[4:])
        self.asked.append(wanted)
        self.pending += 1
        self.most_pending = max(self.most_pending, self.pending)
        reply = self.reply(apdu[2], apdu[3], wanted)
        asyncio.get_running_loop().call_later(self.delay, self._answer, reply, addr)

    def heard(self, data: bytes, addr: Any) -> None:  # noqa: ANN401
        """Take what is no confirmed request."""
        if data[6:8] == b"\x10\x08" and not self.mute:
            self.send(self.i_am(), addr)

    def i_am(self) -> bytes:
        size = b"\x22" + self.apdu.to_bytes(2, "big")
        return b"\x10\x00\xc4" + object_id(8, self.instance) + size + b"\x91\x03\x21\x0f"

    def _answer(self, reply: bytes, addr: Any) -> None:  # noqa: ANN401
        self.pending -= 1
        if not self.mute:
            for one in self.change(reply):
                self.send(one, addr)

    def send(self, apdu: bytes, addr: Any) -> None:  # noqa: ANN401
        if not self.transport.is_closing():
            self.transport.sendto(wrapped(apdu), addr)

    def reply(self, invoke: int, service: int, wanted: list[tuple[int, int, int]]) -> bytes:
        refused = self.refuse(wanted)
        if refused is not None:
            return refused[:1] + bytes((invoke,)) + refused[1:]
        if service == 14 and not self.knows_many:
            return bytes((0x60, invoke, UNRECOGNIZED))
        reply = self.one(invoke, wanted[0]) if service == 12 else self.many(invoke, wanted)
        return reply if len(reply) <= self.apdu else bytes((0x71, invoke, TOO_LONG_SEGMENTS))

    def one(self, invoke: int, wanted: tuple[int, int, int]) -> bytes:
        value = self.values.get(wanted)
        if value is None:
            return bytes((0x50, invoke, 12)) + self.missing(wanted)
        kind, number, known = wanted
        place = b"\x0c" + object_id(kind, number) + bytes((0x19, known))
        return bytes((0x30, invoke, 12)) + place + b"\x3e" + value + b"\x3f"

    def many(self, invoke: int, wanted: list[tuple[int, int, int]]) -> bytes:
        parts, last = [bytes((0x30, invoke, 14))], None
        for kind, number, known in wanted:
            if (kind, number) != last:
                parts.append((b"\x1f" if last else b"") + b"\x0c" + object_id(kind, number) + b"\x1e")
                last = kind, number
            value = self.values.get((kind, number, known))
            answer = b"\x4e" + value + b"\x4f" if value is not None else self.bracketed((kind, number, known))
            parts.append(bytes((0x29, known)) + answer)
        return b"".join(parts) + b"\x1f"

    def bracketed(self, wanted: tuple[int, int, int]) -> bytes:
        return b"\x5e" + self.missing(wanted) + b"\x5f"

    def missing(self, wanted: tuple[int, int, int]) -> bytes:
        """Say what is unknown: the object, or only its property."""
        known = any(one[:2] == wanted[:2] for one in self.values)
        return b"\x91\x02\x91\x20" if known else b"\x91\x01\x91\x1f"


def wrapped(apdu: bytes, head: bytes = b"\x01\x00", function: int = 0x0A) -> bytes:
    """Put link layer and network layer before a message."""
    body = head + apdu
    return bytes((0x81, function)) + (4 + len(body)).to_bytes(2, "big") + body


def read_request(data: bytes) -> list[tuple[int, int, int]]:
    both = int.from_bytes(data[1:5], "big")
    return [(both >> 22, both & 0x3FFFFF, int.from_bytes(data[6 : 6 + (data[5] & 7)], "big"))]


def many_request(data: bytes) -> list[tuple[int, int, int]]:
    found, at = [], 0
    while at < len(data):
        both = int.from_bytes(data[at + 1 : at + 5], "big")
        at += 6
        while data[at] != 0x1F:
            size = data[at] & 7
            found.append((both >> 22, both & 0x3FFFFF, int.from_bytes(data[at + 1 : at + 1 + size], "big")))
            at += 1 + size
        at += 1
    return found


@asynccontextmanager
async def fake(instance: int = 1011, points: int = 100) -> AsyncIterator[FakeDevice]:
    """Run a device of bytes on a free port of loopback."""
    loop = asyncio.get_running_loop()
    transport, device = await loop.create_datagram_endpoint(
        lambda: FakeDevice(instance, points), local_addr=("127.0.0.1", 0)
    )
    try:
        yield device
    finally:
        transport.close()
        await asyncio.sleep(0)
