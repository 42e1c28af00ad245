"""Reads what a broker sends, however it is cut into pieces; whatever it may not send is a BadPacketError.

It believes nothing: lengths, flags, identifiers, texts and properties are checked, and a packet larger than
we allowed is refused before it is gathered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, cast

from msgspec import Struct

from agent.uplink.mqtt import properties
from agent.uplink.mqtt.values import PROTOCOL, BadPacketError, Cursor, read_length

MOST: Final = 65_536  # bytes of one packet: answers are short, and commands have no need for more

_TOO_LARGE: Final = 0x95
_OLD_REFUSALS: Final = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}  # codes of 3.1.1 in those of 5
_NAMES: Final = {
    0: "a packet of kind 0", 1: "CONNECT", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP", 8: "SUBSCRIBE",
    10: "UNSUBSCRIBE", 11: "UNSUBACK", 12: "PINGREQ", 14: "DISCONNECT", 15: "AUTH",
}  # fmt: skip

_KINDS: Final = frozenset({2, 4, 9, 13, 14})
_FIRST: Final = frozenset(
    {0x20, 0x40, 0x90, 0xD0} | {0x30 | dup | qos << 1 | retain for dup in (0, 8) for qos in (0, 1, 2)
                                for retain in (0, 1) if qos or not dup}
)  # fmt: skip


class Connack(Struct, frozen=True):
    """The answer to CONNECT."""

    reason: int
    properties: Mapping[int, properties.Value] = {}


class Puback(Struct, frozen=True, gc=False):
    """The answer to a PUBLISH of ours."""

    mid: int
    reason: int = 0


class Suback(Struct, frozen=True):
    """The answer to SUBSCRIBE."""

    mid: int
    reasons: bytes


class Publish(Struct, frozen=True):
    """A message for us; ``mid`` is 0 where no answer is wanted."""

    topic: str
    body: bytes
    mid: int = 0
    retain: bool = False
    reply_to: str = ""
    correlation: bytes = b""


class Pingresp(Struct, frozen=True):
    """The answer to a ping."""


class Disconnect(Struct, frozen=True):
    """The broker ends the connection; ``text`` is what it says about it."""

    reason: int = 0
    text: str = ""


Incoming = Connack | Puback | Suback | Publish | Pingresp | Disconnect


class Reader:
    """The bytes of one connection; after an error it must not be fed again."""

    def __init__(self, *, five: bool = True, most: int = MOST) -> None:
        self._five = five
        self._most = most
        self._kept = b""
        self._allowed = _FIRST | {0xE0} if five else _FIRST
        self._readers: dict[int, Callable[[Cursor], Incoming]] = {
            2: self._connack, 4: self._puback, 9: self._suback, 13: _pingresp, 14: self._bye
        }  # fmt: skip

    def feed(self, data: bytes) -> Iterator[Incoming]:
        """Give the packets that *data* completes; raise BadPacketError at the first that is wrong."""
        if self._kept:
            data = self._kept + data
        at, end = 0, len(data)
        while at < end:
            if data[at] not in self._allowed:
                raise _misplaced(data[at])
            found = read_length(data, at + 1)
            if found is None:
                break
            size, begin = found
            if size > self._most:
                raise BadPacketError(f"a packet of {size} bytes, where {self._most} are allowed", _TOO_LARGE)
            if begin + size > end:
                break
            first, at = data[at], begin + size
            yield self._packet(first, Cursor(data, begin, at))
        self._kept = data[at:]

    def _packet(self, first: int, cursor: Cursor) -> Incoming:
        kind = first >> 4
        if kind == 3:
            return self._publish(first & 0x0F, cursor)
        made = self._readers[kind](cursor)
        if cursor.left():
            raise BadPacketError(f"{cursor.left()} bytes too many in a packet")
        return made

    def _connack(self, cursor: Cursor) -> Connack:
        short = cursor.left() == 2
        present, reason = cursor.number(1), cursor.number(1)
        if present:  # bit 0; the others are reserved
            raise BadPacketError("a session is said to go on that was never begun", PROTOCOL)
        if self._five and not short:
            return Connack(reason, properties.read(cursor, properties.CONNACK))
        if self._five and not reason:
            raise BadPacketError("CONNACK ends before its properties")
        if reason and reason not in _OLD_REFUSALS:  # the one way in which a broker without MQTT 5 can answer
            raise BadPacketError(f"return code {reason} does not exist")
        return Connack(_OLD_REFUSALS[reason] if reason else 0)

    def _puback(self, cursor: Cursor) -> Puback:
        mid = _identifier(cursor)
        if not self._five or not cursor.left():
            return Puback(mid)
        reason = cursor.number(1)
        if cursor.left():
            properties.read(cursor, properties.ACK)
        return Puback(mid, reason)

    def _suback(self, cursor: Cursor) -> Suback:
        mid = _identifier(cursor)
        if self._five:
            properties.read(cursor, properties.ACK)
        if not cursor.left():
            raise BadPacketError("SUBACK without an answer")
        return Suback(mid, cursor.rest())

    def _publish(self, flags: int, cursor: Cursor) -> Publish:
        qos = flags >> 1 & 3
        topic = cursor.text()
        mid = _identifier(cursor) if qos else 0
        given = properties.read(cursor, properties.PUBLISH) if self._five else {}
        if properties.TOPIC_ALIAS in given:
            raise BadPacketError("a topic alias, which we did not allow", 0x94)
        if not topic or "+" in topic or "#" in topic:
            raise BadPacketError("a message without a proper topic", 0x90)
        if qos == 2:
            raise BadPacketError("a message of quality 2, which nobody asked for", PROTOCOL)
        reply_to = cast(str, given.get(properties.RESPONSE_TOPIC, ""))
        correlation = cast(bytes, given.get(properties.CORRELATION, b""))
        return Publish(topic, cursor.rest(), mid, bool(flags & 1), reply_to, correlation)

    def _bye(self, cursor: Cursor) -> Disconnect:
        if not cursor.left():
            return Disconnect()
        reason = cursor.number(1)
        given = properties.read(cursor, properties.BYE) if cursor.left() else {}
        return Disconnect(reason, cast(str, given.get(properties.REASON, "")))


def _misplaced(first: int) -> BadPacketError:
    kind, flags = first >> 4, first & 0x0F
    if kind == 3 or (kind in _KINDS and flags):
        return BadPacketError(f"flags 0x{flags:x} where they have no meaning")
    return BadPacketError(f"{_NAMES[kind]} is not for a broker to send here", PROTOCOL)


def _identifier(cursor: Cursor) -> int:
    if not (mid := cursor.number(2)):
        raise BadPacketError("identifier 0 is no identifier", PROTOCOL)
    return mid


def _pingresp(_: Cursor) -> Pingresp:
    return Pingresp()
