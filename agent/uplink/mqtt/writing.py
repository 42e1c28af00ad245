"""Writes the packets that a publisher sends, as bytes. What does not fit the standard is a ValueError."""

from __future__ import annotations

from typing import Final

from agent.core.message import Message
from agent.uplink.mqtt import properties
from agent.uplink.mqtt.reading import MOST
from agent.uplink.mqtt.values import MOST_LENGTH, blob, length, text
from agent.uplink.port import Call, Packet

PING: Final = b"\xc0\x00"

_CLEAN: Final = 0x02
_WILL: Final = 0x04
_WILL_RETAIN: Final = 0x20
_PASSWORD: Final = 0x40
_USERNAME: Final = 0x80
_MOST_WAITING: Final = 16  # messages for us that may wait for our answer


def connect(call: Call, *, five: bool) -> bytes:
    """Write CONNECT: a clean start, and no session that would outlive the connection."""
    flags, rest = _CLEAN, [text(call.client_id)]
    if (will := call.will) is not None:
        flags |= _WILL | will.qos << 3 | (_WILL_RETAIN if will.retain else 0)
        rest += [_will_properties(will) if five else b"", text(will.topic), blob(will.body)]
    if call.username is not None:
        flags |= _USERNAME
        rest.append(text(call.username))
    if call.password is not None:
        flags |= _PASSWORD
        rest.append(text(call.password))
    head = b"\x00\x04MQTT" + bytes((5 if five else 4, flags)) + call.keepalive.to_bytes(2, "big")
    return _packet(0x10, b"".join((head, _session() if five else b"", *rest)))


def publish(packet: Packet, mid: int, *, five: bool) -> bytes:
    """Write PUBLISH; *mid* counts for quality 1 only."""
    topic = packet.topic.encode()
    if not topic or b"+" in topic or b"#" in topic or b"\0" in topic:
        raise ValueError(f'"{packet.topic}" is no topic to publish to')
    head = blob(topic)
    if packet.qos:
        head += mid.to_bytes(2, "big")
    if five:
        head += publish_properties(packet)
    return _packet(0x30 | packet.qos << 1 | packet.retain, head + packet.body)


def publish_properties(packet: Packet) -> bytes:
    """Write the properties of PUBLISH with their length in front, as they stand in the packet."""
    parts = [bytes((properties.PAYLOAD_FORMAT, packet.utf8))]
    if packet.expiry is not None:
        parts.append(bytes((properties.MESSAGE_EXPIRY,)) + packet.expiry.to_bytes(4, "big"))
    if packet.content_type:
        parts.append(bytes((properties.CONTENT_TYPE,)) + text(packet.content_type))
    if packet.correlation:
        parts.append(bytes((properties.CORRELATION,)) + blob(packet.correlation))
    parts.extend(bytes((properties.USER,)) + text(name) + text(value) for name, value in packet.user)
    return _sized(b"".join(parts))


def puback(mid: int) -> bytes:
    """Write PUBACK: we have it."""
    return b"\x40\x02" + mid.to_bytes(2, "big")


def subscribe(topic: str, mid: int, *, five: bool, retained: bool = False) -> bytes:
    """Write SUBSCRIBE to one topic at quality 1; *retained*: whether retained messages are wanted."""
    options = 1 if retained or not five else 0x21  # retain handling 2: a command that was retained is none
    body = mid.to_bytes(2, "big") + (b"\x00" if five else b"") + text(topic) + bytes((options,))
    return _packet(0x82, body)


def disconnect(reason: int = 0, *, five: bool) -> bytes:
    """Write DISCONNECT; 3.1.1 has no reasons."""
    return bytes((0xE0, 1, reason)) if five and reason else b"\xe0\x00"


def _session() -> bytes:
    return _sized(
        bytes((properties.SESSION_EXPIRY, 0, 0, 0, 0, properties.RECEIVE_MAXIMUM))
        + _MOST_WAITING.to_bytes(2, "big")
        + bytes((properties.MAXIMUM_PACKET,))
        + MOST.to_bytes(4, "big")
    )


def _will_properties(will: Message) -> bytes:
    parts = bytes((properties.PAYLOAD_FORMAT, will.utf8))
    if will.content_type:
        parts += bytes((properties.CONTENT_TYPE,)) + text(will.content_type)
    return _sized(parts)


def _sized(raw: bytes) -> bytes:
    return length(len(raw)) + raw


def _packet(first: int, body: bytes) -> bytes:
    if len(body) > MOST_LENGTH:
        raise ValueError(f"{len(body)} bytes are more than one MQTT packet can hold")
    return bytes((first,)) + length(len(body)) + body
