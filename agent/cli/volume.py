"""Foretells what a recipient will get, and how long the outbox holds it when the broker is away.

Nothing is guessed that can be made: one window of each route is encoded by the recipient's own encoding,
with figures as long as real ones. Events come when they come and are not foretold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from agent.core.point import Kind, Point
from agent.core.record import Aggregate
from agent.registry import encoder

if TYPE_CHECKING:
    from agent.core.message import Encoding, Message
    from agent.core.plan import Plan, Recipient
    from agent.core.product import Product, Statistic

DAY: Final = 86400.0
MONTH: Final = 30 * DAY
_BACKLOG_SHARE: Final = 0.8  # of the rate; the rest is kept for what is new
_FULL: Final = 0.9  # the outbox drops from here on
_PAGE: Final = 4096
_ROW: Final = 150  # hashes, numbers and names that a row keeps beside topic, properties and body
_CELL: Final = 8  # what SQLite adds to a row
_FITS: Final[dict[Kind, frozenset[Statistic]]] = {
    Kind.GAUGE: frozenset({"mean", "min", "max", "last"}),
    Kind.COUNTER: frozenset({"last", "delta"}),
    Kind.COUNT: frozenset({"sum"}),
    Kind.STATE: frozenset({"last", "share"}),
}


class Volume(Struct, frozen=True, kw_only=True):
    """What one recipient gets: per day, and ``held``: seconds of outage that are held here.

    That is as long as the outbox's cap lasts, and no longer than the grants let a message wait.
    ``wire`` is bytes of MQTT packets a day, without TCP and TLS. ``drain`` is the seconds that it takes to
    deliver a full outbox afterwards at the allowed rate; 0 when there is no limit. None: nothing is regular.
    """

    recipient: str
    messages: float
    wire: float
    held: float | None
    drain: float | None


def volumes(plan: Plan) -> list[Volume]:
    """Foretell for every recipient; all of them share the cap."""
    traffic = {one.name: _traffic(plan, one) for one in plan.recipients}
    stored = sum(disk for _, _, disk in traffic.values())
    held = plan.outbox.cap * _FULL / stored * DAY if stored else None
    return [
        Volume(
            recipient=one.name,
            messages=traffic[one.name][0],
            wire=traffic[one.name][1],
            held=(mine := _held(plan, one.name, held)),
            drain=_drain(traffic[one.name][0], mine, one.rate),
        )
        for one in plan.recipients
    ]


def _held(plan: Plan, recipient: str, cap: float | None) -> float | None:
    """Give the shorter of *cap* and the longest time that a grant lets this recipient's windows wait."""
    windowed = {one.id for one in plan.products if one.window}
    keeps = [one.keep for one in plan.routes if one.recipient == recipient and one.product in windowed]
    return None if cap is None or not keeps else min(cap, *keeps)


def wire_size(message: Message) -> int:
    """Give the bytes of *message* as an MQTT 5 PUBLISH packet, with id, policy and expiry."""
    user = (*message.user, *(() if message.user else (("id", "gateway/1000/recipient.product/10000"),)))
    properties = 2 + 5 + 3 + len(message.content_type) + sum(5 + len(k) + len(v) for k, v in user)
    return 4 + 2 + len(message.topic) + 2 + 2 + properties + len(message.body)


def _traffic(plan: Plan, recipient: Recipient) -> tuple[float, float, float]:
    """Give messages, bytes on the wire and bytes on the disk, each per day."""
    encoding = encoder(recipient, plan.place)
    products = {one.id: one for one in plan.products}
    messages = wire = disk = 0.0
    for route in plan.routes:
        product = products[route.product]
        if route.recipient != recipient.name or not product.window:
            continue
        sample = sample_messages(product, encoding, plan.policy)
        per_day = DAY / product.window
        messages += per_day * len(sample)
        wire += per_day * sum(map(wire_size, sample))
        disk += per_day * sum(map(_disk_size, sample))
    return messages, wire, disk


def sample_messages(product: Product, encoding: Encoding, policy: str) -> list[Message]:
    """Encode one ordinary window of *product*."""
    from agent.core.message import Head

    records = [_aggregate(product, point) for point in product.published]
    head = Head(epoch=100, seq=100_000, policy=policy, boot_id="00000000")
    return list(encoding.batch(product, head, records))


def _aggregate(product: Product, point: Point) -> Aggregate:
    value = 1234.56
    if point.resolution:
        value = round(round(value / point.resolution) * point.resolution, 9)
    fits = _FITS[point.kind]
    return Aggregate(
        point.name,
        1_800_000_000.0 // product.window * product.window,
        product.window,
        max(1, round(product.window / point.every)) if point.every else 1,
        tuple(value if one in fits else None for one in product.statistics),
    )


def _disk_size(message: Message) -> float:
    """Give the bytes of pages that a row takes; what is too long goes on with pages of its own.

    The rule is SQLite's for table leaves (Database File Format, section 1.6); its names in comments.
    """
    row = len(message.body) + len(message.topic) + sum(len(k) + len(v) for k, v in message.user) + _ROW
    most, least, spill = _PAGE - 35, (_PAGE - 12) * 32 // 255 - 23, _PAGE - 4  # X, M, U - 4
    local, pages = row, 0
    if row > most:
        local = least + (row - least) % spill  # K
        local = local if local <= most else least
        pages = (row - local) // spill
    return _PAGE * (pages + 1 / max(1, (_PAGE - 8) // (local + _CELL)))


def _drain(messages: float, held: float | None, rate: float) -> float | None:
    if held is None:
        return None
    if not rate:
        return 0.0
    spare = rate * _BACKLOG_SHARE - messages / DAY
    return messages / DAY * held / spare if spare > 0 else float("inf")
