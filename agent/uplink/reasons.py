"""What an MQTT reason code means for us, as tables; it does nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

NO_SUBSCRIBER: Final = 0x10
TAKEN_OVER: Final = 0x8E
TOO_LARGE: Final = 0x95

_PARK: Final = frozenset({0x87, 0x90, 0x95, 0x99})
_MEANINGS: Final = {
    0x10: "nobody has subscribed",
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "an error of the broker's own",
    0x84: 'the broker does not speak MQTT 5; mqtt = "3.1.1" would do, at the price of invisible refusals',
    0x85: "the client id is not accepted",
    0x86: "user name or password is wrong",
    0x87: "not authorised; the broker's access list does not allow it",
    0x88: "the broker is unavailable",
    0x89: "the broker is busy",
    0x8A: "this client is banned",
    0x8B: "the broker is shutting down",
    0x8C: "bad authentication method",
    0x8D: "the keep-alive time passed in silence",
    0x8E: "another client took over with the same client id",
    0x90: "the topic name is not accepted",
    0x93: "more messages at once than the broker allows",
    0x95: "the message is larger than the broker allows",
    0x96: "too many messages",
    0x97: "a quota is exceeded",
    0x98: "an operator ended the connection",
    0x99: "the payload is not in the format that was declared",
    0x9A: "retained messages are not supported",
    0x9B: "this quality of service is not supported",
    0x9C: "use another server",
    0x9D: "the server has moved",
    0x9F: "too many connections in a short time",
}


class Action(StrEnum):
    """What to do with a message whose answer has come."""

    ACCEPT = "accept"  # the broker has it: the cursor moves
    HOLD = "hold"  # nobody would get it: wait, then try the route again
    PARK = "park"  # this route is refused: a person must act; probe now and then
    SLOW = "slow"  # too much at once: less, and again
    RETRY = "retry"  # something else: again later


def action(reason: int, *, retained: bool = False, hold: bool = True) -> Action:
    """Judge a PUBACK; *hold*: whether "nobody has subscribed" counts as not delivered."""
    if reason == NO_SUBSCRIBER:
        return Action.HOLD if hold and not retained else Action.ACCEPT
    if reason < 0x80:
        return Action.ACCEPT
    if reason in _PARK:
        return Action.PARK
    return Action.SLOW if reason == 0x97 else Action.RETRY


def meaning(reason: int) -> str:
    """Say a reason code in words: ``not authorised; ... (0x87)``."""
    return f"{_MEANINGS.get(reason, 'a reason we do not know')} (0x{reason:02x})"
