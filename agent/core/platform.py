"""What a platform demands of a connection: the configuration is held to it before the platform does so.

An encoding of one platform offers ``demands(settings, host) -> Demands``, a method of its class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct

from agent.core.message import Message


class Demands(Struct, frozen=True, kw_only=True):
    """The terms of one platform.

    ``mqtt`` are the versions it speaks, the best first; ``ports`` where it listens, with the protocol to ask
    for in TLS (empty: none; no ports: any). ``keepalive`` is the shortest and longest it takes, in seconds,
    ``rate`` the most messages a second (0: any). ``login`` says how we must identify ourselves;
    ``client_id`` and ``username`` are what they have to be, where that follows. ``websocket`` are the paths
    of MQTT within WebSocket, by "certificate" and "key", which is any other way to identify ourselves (none:
    not offered; None: nothing is known of it).
    """

    platform: str
    mqtt: Sequence[str] = ("5", "3.1.1")
    is_encrypted: bool = False
    ports: Mapping[int, str] = {}
    keepalive: tuple[float, float] = (1.0, 3600.0)
    rate: float = 0.0
    login: str = ""  # "", username, certificate, key or certificate
    client_id: str = ""
    username: str = ""
    websocket: Mapping[str, str] | None = None


class Token(Struct, frozen=True):
    """A password that ends: at ``until``, in UTC seconds."""

    password: str
    until: float


@runtime_checkable
class CanSignIn(Protocol):
    """What an encoding may also offer: to make a password of a key, anew for each connection."""

    def token(self, host: str, key: str, now: float) -> Token:
        """Sign in at *host* with *key*; *now* in UTC seconds. Raise ValueError for a key that is none."""
        ...


class Step(Struct, frozen=True):
    """Ask again after so many seconds."""

    pause: float


class Assigned(Struct, frozen=True):
    """What a provisioning service decided: which broker, and under which name there."""

    host: str
    device: str


class Registering(Protocol):
    """One exchange with a provisioning service; pure."""

    @property
    def topics(self) -> Sequence[str]:
        """What to subscribe to first."""
        ...

    def next(self) -> Message:
        """Give what is to be said now."""
        ...

    def hear(self, topic: str, body: bytes) -> Step | Assigned | None:
        """Judge what came; None: it is not for us. Raise ValueError when it is over without a result."""
        ...


@runtime_checkable
class CanRegister(Protocol):
    """What an encoding may also offer: to ask a provisioning service where its broker is."""

    def registration(self) -> Registering | None:
        """Begin an exchange; None where the broker is known."""
        ...

    def registration_token(self, key: str, now: float) -> Token:
        """Sign in at the provisioning service with *key*. Raise ValueError for a key that is none."""
        ...

    def username(self, host: str) -> str:
        """Give the user name at the broker that was assigned."""
        ...
