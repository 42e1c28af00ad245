"""What the outbox keeps: one encoded message of one route with everything needed to send and to audit it.

A row is never rewritten; only its body may be erased when a grant or its retention ends.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import Struct

from agent.core.message import Loss, Message

User = tuple[tuple[str, str], ...]


class Props(Struct, frozen=True, array_like=True):
    """What MQTT carries beside topic and body; ``correlation`` in hex, written only where there is some."""

    content_type: str
    utf8: bool
    qos: int
    retain: bool
    user: User
    correlation: str = ""


class Row(Struct, frozen=True, kw_only=True):
    """One message that is safe on disk.

    ``route`` is ``recipient.product``; ``made`` and ``expires`` are UTC seconds (``expires``: when it must
    no longer leave), ``boot`` boot-time seconds when it was made.
    """

    id: int
    route: str
    epoch: int
    seq: int
    kind: str
    topic: str
    body: bytes
    user: User
    content_type: str
    utf8: bool
    qos: int
    retain: bool
    made: float
    expires: float
    policy: str
    boot: float
    correlation: bytes = b""


class Tale(NamedTuple):
    """What new messages tell of: UTC seconds, by which clock, and whether a process without a cage saw it."""

    since: float | None = None
    until: float | None = None
    synced: bool = True
    unconfined: bool = False


class Draft(Struct, frozen=True, kw_only=True):
    """A numbered message on its way to the disk.

    ``route`` is the route's number in the file. ``expires`` is None while the clock cannot be trusted.
    ``lost`` are the losses that a ``gap`` message declares, so that a later gap can take them over.
    ``since`` and ``until`` are the UTC seconds that its windows span; None where it tells of none.
    ``unconfined``: it must not leave this computer.
    """

    route: int
    epoch: int
    seq: int
    message: Message
    policy: str
    made: float
    boot: float
    expires: float | None
    since: float | None = None
    until: float | None = None
    lost: tuple[Loss, ...] = ()
    unconfined: bool = False

    @property
    def size(self) -> int:
        """Bytes that count against memory and disk."""
        return len(self.message.body) + len(self.message.topic) + 250


class Header(Struct, frozen=True):
    """A row on disk without its body: ``size`` is the body's length, None when it was erased.

    ``before`` is an id such that no row of the same route lies between it and this one.
    """

    id: int
    route: int
    epoch: int
    seq: int
    kind: str
    made: float
    boot: float
    expires: float | None
    size: int | None
    digest: bytes
    link: bytes
    since: float | None = None
    until: float | None = None
    lost: tuple[Loss, ...] = ()
    before: int = 0


def props_text(message: Message) -> str:
    """Write what MQTT carries beside topic and body, as one compact line."""
    props: tuple[object, ...] = (
        message.content_type, message.utf8, message.qos, message.retain, message.user,
    )  # fmt: skip
    if message.correlation:
        props = (*props, message.correlation.hex())
    return msgspec.json.encode(props).decode()


def read_props(text: str) -> Props:
    """Read what ``props_text`` wrote."""
    return msgspec.json.decode(text, type=Props)
