"""What the uplink needs of an MQTT connection, and nothing more; whatever can do this can carry it.

The session above knows no MQTT library; ``client.py`` below knows no rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from agent.core.message import Message

if TYPE_CHECKING:
    from agent.core.command import Heard
    from agent.uplink.identity import Identity


class Packet(Struct, frozen=True, kw_only=True):
    """One message to publish, with what only the moment of sending knows; ``expiry`` in seconds."""

    topic: str
    body: bytes
    qos: int = 1
    retain: bool = False
    content_type: str = ""
    utf8: bool = True
    user: tuple[tuple[str, str], ...] = ()
    expiry: int | None = None
    correlation: bytes = b""


class LinkInfo(Struct, frozen=True, kw_only=True):
    """What the broker allows: messages that may wait for its answer at once, and bytes of one packet."""

    receive_maximum: int = 65535
    maximum_packet: int | None = None


class Lost(Struct, frozen=True, kw_only=True):
    """Why a connection ended; ``reason`` is the broker's own code, if it sent one."""

    text: str
    reason: int | None = None


class Link(Protocol):
    """One live connection."""

    @property
    def info(self) -> LinkInfo:
        """What the broker allows."""
        ...

    @property
    def closed(self) -> asyncio.Future[Lost]:
        """Done as soon as the connection is gone, whoever ended it."""
        ...

    def publish(self, packet: Packet) -> asyncio.Future[int]:
        """Send; the future gives the broker's reason code, or ConnectionError once the link is lost."""
        ...

    async def leave(self) -> None:
        """Say goodbye, so that the last will is not sent, and close."""
        ...

    def abort(self) -> None:
        """Close without a word: the broker sends the last will."""
        ...


class TwoWay(Link, Protocol):
    """One live connection as it was opened: it hands over what comes, too."""

    async def listen(
        self, topics: Sequence[str], hear: Callable[[Heard], None], *, retained: bool = True
    ) -> None:
        """Subscribe with QoS 1; raise UplinkError if the broker refuses.

        *retained*: whether what was kept for us is wanted too.
        """
        ...


class Call(Struct, frozen=True, kw_only=True):
    """How to reach a broker, complete but for secrets' references: those are already text.

    ``websocket`` is the path where MQTT goes within WebSocket; empty: it goes without.
    """

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = None
    version: str = "5"
    keepalive: int = 20
    patience: float = 10.0
    window: int = 20
    will: Message | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    tls: bool = False
    client: str = "citygate"
    alpn: str = ""
    proxy: str = ""
    proxy_login: str | None = None
    websocket: str = ""
    identity: Identity | None = None


Connect = Callable[[Call], Awaitable[TwoWay]]
"""Opens a connection; raises UplinkError with a sentence."""
