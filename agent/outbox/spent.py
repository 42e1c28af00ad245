"""Keeps account of noise: how often each count was released with it, by day and policy, on which epsilon.

The account is written in the same transaction as the messages. It counts releases and nothing of what they
were; a window goes to several recipients with the same noise, which is one release.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from agent.core.errors import OutboxError
from agent.core.product import Product
from agent.core.record import Aggregate, Record
from agent.outbox.schema import UNREADABLE, connect_reader


class Key(NamedTuple):
    """What is counted together: a count of a product on a UTC day under one policy, and its noise."""

    day: str
    policy: str
    product: str
    point: str
    epsilon: str
    sensitivity: int


Spending = Mapping[Key, int]


class Spent(Struct, frozen=True, kw_only=True):
    """How often one count was released on one UTC day under one policy.

    One passage falls into one window: it loses at most ``epsilon``, however often the count was released.
    ``sensitivity`` is how much it may change all figures of a window; the noise has scale S/epsilon.
    """

    day: str
    policy: str
    product: str
    point: str
    epsilon: str
    sensitivity: int
    releases: int


def spending(product: Product, records: Iterable[Record], policy: str) -> Counter[Key]:
    """Count what *records*, as they leave, release of *product* with noise; nothing where it has none."""
    found: Counter[Key] = Counter()
    privacy = product.privacy
    if privacy.mode != "dp":
        return found
    for one in records:
        told = sum(value is not None for value in one.values) if isinstance(one, Aggregate) else 0
        if told and isinstance(one, Aggregate):
            day = datetime.fromtimestamp(one.start, UTC).date().isoformat()
            found[Key(day, policy, product.id, one.point, privacy.epsilon, privacy.sensitivity)] += told
    return found


def add(db: sqlite3.Connection, spent: Spending) -> None:
    """Add to the account, within the transaction that is open."""
    db.executemany(
        "INSERT INTO spent VALUES(?,?,?,?,?,?,?)"
        " ON CONFLICT(day, policy, product, point) DO UPDATE SET releases=releases+excluded.releases",
        [(*key, count) for key, count in spent.items()],
    )


def spent(path: Path, *, product: str | None = None, first: str = "", last: str = "9999") -> list[Spent]:
    """Give the account of the UTC days *first* to *last*; raise OutboxError if the file cannot be read."""
    query = "SELECT * FROM spent WHERE day BETWEEN ? AND ? ORDER BY day, product, point, policy"
    try:
        with closing(connect_reader(path)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name='spent'").fetchone():
                return []  # written by an older release
            rows = db.execute(query, (first, last)).fetchall()
    except UNREADABLE as error:
        raise OutboxError(f"{path} cannot be read: {error}") from error
    names = Spent.__struct_fields__
    return [
        one for row in rows if product in (None, (one := Spent(**dict(zip(names, row, strict=True)))).product)
    ]
