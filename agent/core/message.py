"""How cleared records become bytes: messages, their heads, and the contract of an encoding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from msgspec import Struct

from agent.core.attested import Attested
from agent.core.product import Product, Route
from agent.core.record import Record
from agent.core.settings import Settings

Cages = tuple[tuple[str, Attested], ...]
"""By the name of the link: what was proven of the cage around its pictures."""


class Place(Struct, frozen=True, kw_only=True):
    """Where messages come from: names that become topic levels."""

    city: str
    site: str
    gateway: str
    label: str = ""
    location: tuple[float, float] | None = None


class Head(Struct, frozen=True, kw_only=True):
    """What an encoding must know beside the records: the numbers that make an id, and the policy.

    ``seq`` is that of the first message; if the records need several, they are numbered onwards. ``most`` are
    the bytes of a body that the broker takes, as far as it is known (0: any): what can be split is split
    below it. ``cages``, of a birth alone, tell by link how what sees pictures is confined.
    """

    epoch: int
    seq: int
    policy: str
    boot_id: str = ""
    most: int = 0
    cages: Cages = ()


class Message(Struct, frozen=True, kw_only=True):
    """One MQTT message, complete but for what only the moment of sending knows.

    ``user`` are MQTT 5 User Properties; ``kind`` is batch, event, gap, start, time, answer, birth, death,
    status or head. ``correlation`` is given back to whoever asked.
    """

    topic: str
    body: bytes
    kind: str
    qos: int = 1
    retain: bool = False
    content_type: str = "application/json"
    utf8: bool = True
    user: tuple[tuple[str, str], ...] = ()
    correlation: bytes = b""


class Loss(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A stretch of messages of one route that the recipient will never get.

    ``why`` is cap, ttl, refused, crash, stopped, clock or unconfined. ``first`` and ``last`` are message
    numbers of ``epoch``; ``last`` and ``count`` are None where none was ever given (a crash, a stop).
    ``begin``, ``end``: UTC seconds.
    """

    why: str
    epoch: int
    first: int
    last: int | None
    count: int | None
    begin: float | None = None
    end: float | None = None


class Previous(Struct, frozen=True, kw_only=True):
    """How the epoch before this one ended on a route: its number, its last message, and whether in order."""

    epoch: int
    last: int
    clean: bool


class Tip(Struct, frozen=True, kw_only=True):
    """The last committed row of the ledger: its id, its link in hex, and the UTC second of this statement."""

    lid: str
    id: int
    hash: str
    at: float
    policy: str


Sign = Callable[[bytes], bytes]


@runtime_checkable
class CanWitness(Protocol):
    """What an encoding may also offer: to write signed heads of the ledger."""

    def head(self, tip: Tip, key: bytes, sign: Sign) -> Message:
        """Tell the head of the ledger, signed; *key* is the public half."""
        ...


Late = Literal["marked", "dated", "in-order"]
"""How a window travels that comes late, by what the platform makes of it.

``marked``: it says of itself that it is history. ``dated``: the platform files it under its own time.
``in-order``: the platform shows what came last, so nothing of a route may overtake: the newest window is
the last to come, and one message at a time is under way.
"""


class NoSettings(Settings):
    """What an encoding without settings has."""


Hearing = Literal["", "rebirth", "go", "wait"]
"""What came means: nothing to us; tell the births anew; begin; say goodbye and keep everything."""


class Talk(Protocol):
    """One connection, for an encoding whose messages are counted as they leave (Sparkplug).

    ``waits``: nothing may be said yet. ``mark`` is a message of QoS 1: its answer proves that what was sent
    with QoS 0 before it has arrived.
    """

    waits: bool
    mark: Message

    @property
    def will(self) -> Message:
        """What the broker shall say when the gateway vanishes."""
        ...

    @property
    def topics(self) -> Sequence[str]:
        """What to subscribe to before anything is said."""
        ...

    def opening(self) -> Sequence[Message]:
        """Give what must be said before the next message; mostly nothing."""
        ...

    def before(self, topic: str, *, late: bool, silent: bool) -> tuple[str, Sequence[Message]]:
        """Give the topic on which a message leaves, and what must be said right before it; mostly nothing.

        *silent*: it tells of a window in which its device gave nothing.
        """
        ...

    def after(self, topic: str) -> Sequence[Message]:
        """Give what must be said right after a message on *topic*; mostly nothing."""
        ...

    def dress(self, topic: str, body: bytes, *, late: bool) -> bytes:
        """Complete a body with what only the moment of sending knows."""
        ...

    def hear(self, topic: str, body: bytes) -> Hearing:
        """Judge what came on one of ``topics``."""
        ...


@runtime_checkable
class CanTalk(Protocol):
    """What an encoding may also offer: to count the messages of a connection."""

    def talk(self, number: int, now: Callable[[], float]) -> Talk:
        """Begin connection *number*; *now* gives UTC seconds."""
        ...


SILENT = ("silent", "1")
"""The User Property of a message about a window in which nothing was heard of anything in it."""
HISTORY = ("h", "1")
"""The User Property of a message that is history."""


@runtime_checkable
class CanBury(Protocol):
    """What an encoding may also offer: to say that a device is no more, where its platform shows that."""

    def death(self, product: str) -> Message:
        """Tell the end of what a birth has told."""
        ...


@runtime_checkable
class CanObject(Protocol):
    """What an encoding may also offer: to say at configuration time what its platform would refuse."""

    def objections(self, product: Product) -> Iterable[str]:
        """Say why *product* cannot be told as it is; each a sentence."""
        ...


@runtime_checkable
class CanLimit(Protocol):
    """What an encoding may also offer: its topics, for the access list of a broker that the city runs."""

    def topics(self, product: Product | None) -> Sequence[str]:
        """Give the filters of what is written about *product*, or about the gateway itself."""
        ...


@runtime_checkable
class CanDescribe(Protocol):
    """What an encoding may also offer: a JSON Schema (draft 2020-12) that each of its bodies passes."""

    def schema(self) -> Mapping[str, Any]:
        """Give the schema."""
        ...


@runtime_checkable
class CanProvision(Protocol):
    """What an encoding may also offer: what must be set up at its platform before it understands anything."""

    def provision(self, products: Sequence[Product]) -> Mapping[str, Any]:
        """Give documents by name, as plain values."""
        ...


class Encoding(Protocol):
    """Pure functions from records to messages; one per recipient, applied between gate and outbox.

    It is made as ``kind(place, settings)`` with settings of its ``settings_type``: the table that a person
    may write in place of its name. Messages are numbered from ``head.seq`` on, one number each, in the order
    given. ``start`` and ``time`` give None where the platform has no room for them; a loss is always told.
    """

    settings_type: ClassVar[type[Settings]]

    @property
    def late(self) -> Late:
        """How late windows travel."""
        ...

    def batch(self, product: Product, head: Head, records: Sequence[Record]) -> Sequence[Message]:
        """Encode cleared records: aggregates of one window become one message (or few), an event one each."""
        ...

    def gap(self, product: str, head: Head, losses: Sequence[Loss]) -> Message:
        """Declare what was lost."""
        ...

    def start(self, product: str, head: Head, previous: Previous | None) -> Message | None:
        """Open an epoch on this route."""
        ...

    def time(self, product: str, head: Head, offset: float) -> Message | None:
        """Tell the offset that turns this boot's stamps into UTC seconds."""
        ...

    def birth(self, product: Product, route: Route, head: Head, lid: str) -> Sequence[Message]:
        """Describe what will come on this route; retained."""
        ...

    def status(self, status: Status) -> Message:
        """Tell how the gateway does, to this recipient; retained."""
        ...

    def will(self, lid: str, epoch: int) -> Message:
        """Give what the broker shall say when the gateway vanishes."""
        ...


class Queue(Struct, frozen=True, kw_only=True):
    """What one recipient still has to get: messages, the oldest UTC stamp, bytes; and the file's cap."""

    n: int
    oldest: float | None
    bytes: int
    cap: int


class Status(Struct, frozen=True, kw_only=True):
    """What a recipient may know of the gateway's health: only its own routes and figures.

    ``state`` is online, degraded or stopping; a route's word is ok, held, refused:0xNN or expired. ``acl``
    is the access list that this broker should have, once somebody's right to read there has ended.
    """

    state: str
    lid: str
    epoch: int
    policy: str
    queue: Queue
    routes: tuple[tuple[str, str], ...]
    clock: str
    software: str
    acl: tuple[str, ...] = ()
