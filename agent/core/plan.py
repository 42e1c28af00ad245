"""The compiled configuration: everything one gateway runs, frozen, compared by ``==`` at a reload."""

from __future__ import annotations

from msgspec import Struct

from agent.core.driver import Driver
from agent.core.message import Place
from agent.core.product import Product, Route
from agent.core.settings import Settings


class Link(Struct, frozen=True, kw_only=True):
    """One link as configured: its name, the driver's TOML name, and the frozen driver itself."""

    name: str
    kind: str
    driver: Driver


class Tls(Struct, frozen=True, kw_only=True):
    """How a broker is verified and how we identify ourselves: each a file or ``credential:NAME``."""

    ca: str = ""
    certificate: str = ""
    key: str = ""


class Recipient(Struct, frozen=True, kw_only=True):
    """A broker connection and how records are written for it.

    ``encoding`` is its name, ``style`` its settings (None: the defaults).
    ``username`` and ``password`` may be ``credential:NAME``. ``rate`` is messages a second (0: no cap).
    ``on_no_subscriber`` says what PUBACK 0x10 means: hold the message or call it delivered. ``party`` is the
    organisation behind it; a ``witness`` keeps the signed heads of the ledger. ``alpn`` is the protocol that
    a shared port wants to be asked for in TLS, ``websocket`` the path where MQTT goes within WebSocket
    (empty: it goes without). ``commands`` are the verbs that it may ask.
    """

    name: str
    host: str
    port: int
    tls: Tls | None = None
    mqtt: str = "5"
    client: str = "citygate"
    proxy: str = ""
    proxy_username: str = ""
    proxy_password: str = ""
    encoding: str = "native"
    style: Settings | None = None
    username: str = ""
    password: str = ""
    client_id: str = ""
    keepalive: float = 20.0
    rate: float = 50.0
    on_no_subscriber: str = "hold"
    party: str = ""
    witness: bool = False
    alpn: str = ""
    websocket: str = ""
    commands: tuple[str, ...] = ()

    @property
    def reached(self) -> tuple[str, int]:
        """Give host and port that a connection is opened to: the proxy's, where there is one."""
        return proxy_address(self.proxy) if self.proxy else (self.host, self.port)


def proxy_address(proxy: str) -> tuple[str, int]:
    """Give host and port of ``http://host:port``."""
    host, _, port = proxy.removeprefix("http://").rstrip("/").rpartition(":")
    return host.strip("[]"), int(port)


class Reader(Struct, frozen=True, kw_only=True):
    """Somebody who reads at another recipient's broker: no route, no copy; only that broker separates it.

    ``via`` is the recipient whose broker it is, ``username`` how the reader logs in there.
    """

    name: str
    via: str
    username: str
    party: str = ""
    witness: bool = False


class Matched(Struct, frozen=True, kw_only=True):
    """What one wish of a product's ``from`` stands for here: the names of points, in their order."""

    product: str
    wish: str
    points: tuple[str, ...]


class Edition(Struct, frozen=True, kw_only=True):
    """Which edition of a signed policy this is: its number in that city, who signed it, and what exactly."""

    city: str
    number: int
    signer: str
    digest: str


class ClockPlan(Struct, frozen=True, kw_only=True):
    """How long to wait for a synchronised clock before windows are published without one, in seconds."""

    wait: float = 120.0


class OutboxPlan(Struct, frozen=True, kw_only=True):
    """Where the outbox lies (empty: the state folder), its cap in bytes, and how long rows stay."""

    path: str = ""
    cap: int = 512_000_000
    keep: float = 30 * 86400.0


class Grant(Struct, frozen=True, kw_only=True):
    """Who may have what, as written; routes are derived from it. Empty texts: no end, no rate."""

    name: str
    recipient: str
    products: tuple[str, ...]
    purpose: str
    basis: str
    keep: float
    until: str = ""
    rate: str = ""


class Purpose(Struct, frozen=True, kw_only=True):
    """What data may be used for, where the city says more than a built-in word; ``iri`` may be empty.

    ``finest`` is the shortest window that it needs, as text (empty: any), ``k`` the smallest threshold.
    """

    name: str
    iri: str
    description: str
    finest: str = ""
    k: int = 0


class Plan(Struct, frozen=True, kw_only=True):
    """Everything one gateway runs.

    ``policy`` is the first 12 hex digits of the SHA-256 of ``terms``, the canonical compiled sharing policy.
    ``readers`` have grants but no routes: they read at a recipient's broker. ``matched`` tells what the
    products' ``from`` stands for; ``edition`` is None where nobody demands a signature. ``metrics`` is
    the file that they are written to. ``warnings`` are sentences for people; they never stop anything.
    """

    place: Place
    timezone: str
    links: tuple[Link, ...]
    products: tuple[Product, ...]
    recipients: tuple[Recipient, ...]
    grants: tuple[Grant, ...]
    routes: tuple[Route, ...]
    policy: str
    terms: bytes = b""
    owner: str = ""
    contact: str = ""
    dpo: str = ""
    purposes: tuple[Purpose, ...] = ()
    clock: ClockPlan = ClockPlan()
    metrics: str = ""
    outbox: OutboxPlan = OutboxPlan()
    readers: tuple[Reader, ...] = ()
    edition: Edition | None = None
    matched: tuple[Matched, ...] = ()
    warnings: tuple[str, ...] = ()
