"""The properties of MQTT 5: which packet may carry which, and how they are read.

Source: OASIS MQTT 5.0, table 2-4. An unknown one, one in the wrong packet, one that comes twice and one with
a value that is not allowed are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.uplink.mqtt.values import PROTOCOL, BadPacketError, Cursor

PAYLOAD_FORMAT: Final = 0x01
MESSAGE_EXPIRY: Final = 0x02
CONTENT_TYPE: Final = 0x03
RESPONSE_TOPIC: Final = 0x08
CORRELATION: Final = 0x09
SUBSCRIPTION_ID: Final = 0x0B
SESSION_EXPIRY: Final = 0x11
KEEP_ALIVE: Final = 0x13
WILL_DELAY: Final = 0x18
REASON: Final = 0x1F
RECEIVE_MAXIMUM: Final = 0x21
TOPIC_ALIAS: Final = 0x23
MAXIMUM_QOS: Final = 0x24
RETAIN_AVAILABLE: Final = 0x25
USER: Final = 0x26
MAXIMUM_PACKET: Final = 0x27

ACK: Final = frozenset({REASON, USER})
BYE: Final = frozenset({0x1C, REASON, USER})
CONNACK: Final = frozenset(
    {SESSION_EXPIRY, 0x12, KEEP_ALIVE, 0x15, 0x16, 0x1A, 0x1C, REASON, RECEIVE_MAXIMUM, 0x22, MAXIMUM_QOS}
    | {RETAIN_AVAILABLE, USER, MAXIMUM_PACKET, 0x28, 0x29, 0x2A}
)
PUBLISH: Final = frozenset(
    {PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION, SUBSCRIPTION_ID, TOPIC_ALIAS}
    | {USER}
)

Value = int | str | bytes

_WIDTHS: Final = {
    PAYLOAD_FORMAT: 1, 0x17: 1, 0x19: 1, MAXIMUM_QOS: 1, RETAIN_AVAILABLE: 1, 0x28: 1, 0x29: 1, 0x2A: 1,
    KEEP_ALIVE: 2, RECEIVE_MAXIMUM: 2, 0x22: 2, TOPIC_ALIAS: 2,
    MESSAGE_EXPIRY: 4, SESSION_EXPIRY: 4, WILL_DELAY: 4, MAXIMUM_PACKET: 4,
}  # fmt: skip
_TEXTS: Final = frozenset({CONTENT_TYPE, RESPONSE_TOPIC, 0x12, 0x15, 0x1A, 0x1C, REASON})
_BLOBS: Final = frozenset({CORRELATION, 0x16})
_NEVER_ZERO: Final = frozenset({RECEIVE_MAXIMUM, TOPIC_ALIAS, MAXIMUM_PACKET, SUBSCRIPTION_ID})


def read(cursor: Cursor, allowed: frozenset[int]) -> Mapping[int, Value]:
    """Read the properties at *cursor*; those of *allowed* and no others."""
    size = cursor.length()
    if size > cursor.left():
        raise BadPacketError("properties are longer than their packet")
    inner = Cursor(cursor.raw(size), 0, size)
    found: dict[int, Value] = {}
    while inner.left():
        code = inner.length()
        if code not in allowed:
            raise BadPacketError(f"property 0x{code:02x} has no business in this packet", PROTOCOL)
        if code == USER:
            inner.text(), inner.text()  # a name and a value, which must be text: nobody here wants them
        elif code in found and code != SUBSCRIPTION_ID:
            raise BadPacketError(f"property 0x{code:02x} comes twice", PROTOCOL)
        else:
            found[code] = _value(inner, code)
    return found


def _value(inner: Cursor, code: int) -> int | str | bytes:
    if code in _TEXTS:
        return inner.text()
    if code in _BLOBS:
        return inner.blob()
    width = _WIDTHS.get(code)
    number = inner.number(width) if width else inner.length()
    if (width == 1 and number > 1) or (not number and code in _NEVER_ZERO):
        raise BadPacketError(f"property 0x{code:02x} may not be {number}", PROTOCOL)
    return number
