"""A broker at the byte boundary that misbehaves on demand; it speaks just enough MQTT 5 for that.

A script decides each PUBACK: a reason code, ``None`` to withhold it, or an ``int`` above 0xFF to send
DISCONNECT with its low byte as reason. It keeps what it accepted, in order of arrival.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

DISCONNECT: Final = 0x100

_CONNECT, _PUBLISH, _SUBSCRIBE, _PINGREQ, _BYE = 1, 3, 8, 12, 14


class Publish:
    """One PUBLISH as it arrived; ``n`` counts from 1 over all connections."""

    def __init__(
        self, n: int, topic: str, body: bytes, *, retain: bool, properties: dict[int, object]
    ) -> None:
        self.n = n
        self.topic = topic
        self.body = body
        self.retain = retain
        self.properties = properties

    @property
    def user(self) -> list[tuple[str, str]]:
        """Its User Properties."""
        found = self.properties.get(0x26, [])
        assert isinstance(found, list)
        return found


Script = Callable[[Publish], int | None]


def accept(_: Publish) -> int | None:
    """Accept everything."""
    return 0


class FakeBroker:
    """Serves any number of connections with one script."""

    def __init__(self, script: Script = accept, *, receive_maximum: int = 0, welcome: int = 0) -> None:
        self.script = script
        self.welcome = welcome
        self.receive_maximum = receive_maximum
        self.maximum_packet = 0
        self.published: list[Publish] = []
        self.accepted: list[Publish] = []
        self.connects: list[bytes] = []
        self.subscribed: list[str] = []
        self.options: list[int] = []  # of each subscription
        self.deaf = False  # whether subscriptions are refused
        self.mute = False  # whether they are not answered at all
        self.goodbyes = 0
        self.waiting = 0
        self.most_waiting = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._news = asyncio.Condition()

    async def start(self) -> None:
        """Listen on a port of the kernel's choice."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        self.drop()
        await self._server.wait_closed()

    def drop(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    def tell(self, topic: str, body: bytes, *, properties: bytes = b"", retain: bool = False) -> None:
        """Hand a message of quality 0 to every connection, whatever it has subscribed to."""
        rest = len(topic).to_bytes(2, "big") + topic.encode() + _length(len(properties)) + properties + body
        for writer in self._writers:
            writer.write(bytes((0x30 | retain,)) + _length(len(rest)) + rest)

    async def until(self, true: Callable[[], bool], patience: float = 20.0) -> None:
        """Wait until *true* holds; asked again at every packet."""
        async with asyncio.timeout(patience), self._news:
            await self._news.wait_for(true)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                kind, flags, packet = await _read(reader)
                await self._answer(kind, flags, packet, writer)
                async with self._news:
                    self._news.notify_all()
        self._writers.discard(writer)
        writer.transport.abort()

    async def _answer(self, kind: int, flags: int, packet: bytes, writer: asyncio.StreamWriter) -> None:
        if kind == _CONNECT:
            self.connects.append(packet)
            self.waiting = 0
            writer.write(self._connack())
        elif kind == _PUBLISH:
            self._publish(flags, packet, writer)
        elif kind == _SUBSCRIBE:
            size = int.from_bytes(packet[3:5], "big")
            self.subscribed.append(packet[5 : 5 + size].decode())
            self.options.append(packet[5 + size])
            if self.mute:
                return
            writer.write(b"\x90\x04" + packet[:2] + b"\x00" + (b"\x87" if self.deaf else b"\x01"))
        elif kind == _PINGREQ:
            writer.write(b"\xd0\x00")
        elif kind == _BYE:
            self.goodbyes += 1
        await writer.drain()

    def _connack(self) -> bytes:
        properties = b""
        if self.receive_maximum:
            properties += b"\x21" + self.receive_maximum.to_bytes(2, "big")
        if self.maximum_packet:
            properties += b"\x27" + self.maximum_packet.to_bytes(4, "big")
        rest = bytes((0, self.welcome)) + _length(len(properties)) + properties
        return b"\x20" + _length(len(rest)) + rest

    def _publish(self, flags: int, packet: bytes, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(packet[:2], "big")
        topic, rest = packet[2 : 2 + size].decode(), packet[2 + size :]
        mid, rest = rest[:2], rest[2:]
        length, used = _read_length(rest)
        properties, body = _properties(rest[used : used + length]), rest[used + length :]
        message = Publish(len(self.published) + 1, topic, body, retain=bool(flags & 1), properties=properties)
        self.published.append(message)
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        self._reply(message, mid, writer)

    def _reply(self, message: Publish, mid: bytes, writer: asyncio.StreamWriter) -> None:
        """Answer one message as the script says."""
        reason = self.script(message)
        if reason is None:
            return
        self.waiting -= 1
        if reason >= DISCONNECT:
            writer.write(bytes((0xE0, 1, reason & 0xFF)))
            writer.close()
            return
        if reason < 0x80:
            self.accepted.append(message)
        writer.write(puback(mid, reason))


def puback(mid: bytes, reason: int) -> bytes:
    """Write PUBACK."""
    return b"\x40\x03" + mid + bytes((reason,)) if reason else b"\x40\x02" + mid


async def _read(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return first >> 4, first & 0x0F, await reader.readexactly(length)


def _length(number: int) -> bytes:
    text = bytearray()
    while True:
        number, low = divmod(number, 128)
        text.append(low | (0x80 if number else 0))
        if not number:
            return bytes(text)


def _read_length(data: bytes) -> tuple[int, int]:
    number = 0
    for used, byte in enumerate(data[:4], 1):
        number |= (byte & 0x7F) << 7 * (used - 1)
        if not byte & 0x80:
            return number, used
    raise ValueError("no length")


def _properties(data: bytes) -> dict[int, object]:
    """Read the properties of a PUBLISH that the gateway may use; any other one is an error."""
    found: dict[int, object] = {}
    user: list[tuple[str, str]] = []
    while data:
        code, data = data[0], data[1:]
        if code == 0x01:
            found[code], data = data[0], data[1:]
        elif code == 0x02:
            found[code], data = int.from_bytes(data[:4], "big"), data[4:]
        elif code == 0x03:
            found[code], data = _text(data)
        elif code == 0x09:
            size = int.from_bytes(data[:2], "big")
            found[code], data = data[2 : 2 + size], data[2 + size :]
        elif code == 0x26:
            name, data = _text(data)
            value, data = _text(data)
            user.append((name, value))
        else:
            raise ValueError(f"property 0x{code:02x} has no business here")
    return found | {0x26: user}


def _text(data: bytes) -> tuple[str, bytes]:
    size = int.from_bytes(data[:2], "big")
    return data[2 : 2 + size].decode(), data[2 + size :]


@asynccontextmanager
async def fake_broker(
    script: Script = accept, *, receive_maximum: int = 0, welcome: int = 0
) -> AsyncIterator[FakeBroker]:
    """Run a broker for the length of an ``async with`` block."""
    made = FakeBroker(script, receive_maximum=receive_maximum, welcome=welcome)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
