"""What goes to the disk in one transaction, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from agent.outbox.row import Draft, Header
from agent.outbox.spent import Key


class Drop(Struct, frozen=True, kw_only=True):
    """The front of the table that is to leave: up to *last*; ``left`` are those that had been delivered."""

    last: int
    link: bytes
    left: tuple[Header, ...] = ()


class Work(Struct, frozen=True, kw_only=True):
    """One transaction: all of it happens, or none.

    ``rows`` are inserted in order; ``state`` texts replace those of the same name; ``routes`` are new route
    numbers; bodies of ``blank`` are erased; ``expiry`` are (id, UTC seconds) learnt late; ``spent`` is added
    to the account of noise.
    """

    rows: tuple[Draft, ...] = ()
    state: dict[str, str] = {}
    routes: dict[int, str] = {}
    drop: Drop | None = None
    blank: tuple[int, ...] = ()
    expiry: tuple[tuple[int, float], ...] = ()
    spent: Mapping[Key, int] = {}


class Done(Struct, frozen=True, kw_only=True):
    """How the file stands after a transaction.

    ``tail`` is the id of the last row there is, ``link`` the last link of the chain, ``used`` the pages in
    use, ``limit`` the pages that may be used (fewer than the cap on a full disk).
    """

    tail: int
    used: int
    limit: int
    link: bytes = b""


class Opening(Struct, frozen=True, kw_only=True):
    """What a file says when it is opened; ``anchor`` is the id before its first row."""

    lid: str
    epoch: int
    anchor: int
    tail: int
    routes: dict[int, str]
    state: dict[str, str]
    done: Done


class Span(Struct, frozen=True, kw_only=True):
    """Where to look for rows of one route: pairs (after, up to); ``events``: events alone."""

    route: int
    holes: tuple[tuple[int, int], ...]
    events: bool = False


class Found(Struct, frozen=True):
    """A row of the backlog as read; ``body`` is None when it was erased; ``before``: see ``Header``."""

    id: int
    route: int
    epoch: int
    seq: int
    kind: str
    made: float
    boot: float
    expires: float | None
    policy: str
    topic: str
    props: str
    body: bytes | None
    before: int
