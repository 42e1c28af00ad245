"""What one recipient's platform meets: its topics with an example of every message, made by its own encoding.

Nothing is described by hand, so nothing can be described wrongly: each example is what would leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from agent.core.command import ANSWERS, VERBS, Answer, CanObey, Wanted
from agent.core.errors import ConfigError
from agent.core.message import (
    CanBury,
    CanDescribe,
    CanTalk,
    Encoding,
    Head,
    Loss,
    Message,
    Previous,
    Queue,
    Status,
)
from agent.core.plan import Plan, Recipient
from agent.core.point import Kind, Point
from agent.core.product import Product, Statistic
from agent.core.record import Aggregate, Event, State
from agent.registry import encoder

_LID: Final = "3f9c0a1b"
_NOW: Final = 1_795_291_200.0  # 2026-11-21T20:00:00Z
_LOSS: Final = Loss(why="cap", epoch=41, first=900, last=931, count=32, begin=_NOW - 3600, end=_NOW)
_FITS: Final[Mapping[Kind, frozenset[Statistic]]] = {
    Kind.GAUGE: frozenset({"mean", "min", "max", "last"}),
    Kind.COUNTER: frozenset({"last", "delta"}),
    Kind.COUNT: frozenset({"sum"}),
    Kind.STATE: frozenset({"last", "share", "min", "max"}),
}


class Channel(Struct, frozen=True, kw_only=True):
    """A topic, and the kinds of messages on it, each with an example; without a product the gateway's.

    ``heard``: the recipient writes there, and the gateway listens.
    """

    topic: str
    product: str
    messages: Mapping[str, Message]
    heard: bool = False


class Interface(Struct, frozen=True, kw_only=True):
    """All that one recipient meets; ``schema`` is a JSON Schema of its bodies, None where there is none."""

    plan: Plan
    recipient: Recipient
    products: tuple[Product, ...]
    channels: tuple[Channel, ...]
    late: str
    schema: Mapping[str, Any] | None


def interface(plan: Plan, name: str) -> Interface:
    """Work out what recipient *name* meets (empty: the only one); raise ConfigError if there is none."""
    recipient = _recipient(plan, name)
    granted = {one.product for one in plan.routes if one.recipient == recipient.name}
    products = tuple(one for one in plan.products if one.id in granted)
    encoding = encoder(recipient, plan.place)
    found: dict[str, dict[str, Message]] = {}
    owners: dict[str, str] = {}  # a topic on which the gateway speaks too is the gateway's
    asked = _asked(recipient, products, encoding, plan.policy)
    heard = {one.topic for _, one in asked if one.kind in VERBS}
    for product, message in [*_examples(plan, recipient, products, encoding), *asked]:
        found.setdefault(message.topic, {}).setdefault(message.kind, message)
        owners.setdefault(message.topic, product)
    return Interface(
        plan=plan,
        recipient=recipient,
        products=products,
        channels=tuple(
            Channel(topic=topic, product=owners[topic], messages=messages, heard=topic in heard)
            for topic, messages in found.items()
        ),
        late=encoding.late,
        schema=encoding.schema() if isinstance(encoding, CanDescribe) else None,
    )


def _recipient(plan: Plan, name: str) -> Recipient:
    names = ", ".join(one.name for one in plan.recipients)
    if not name and len(plan.recipients) > 1:
        raise ConfigError(
            f"there are several recipients; say which: --recipient {names.replace(', ', ' or ')}"
        )
    for one in plan.recipients:
        if name in ("", one.name):
            return one
    raise ConfigError(f'no recipient is called "{name}"; there are {names or "none"}')


def _examples(
    plan: Plan, recipient: Recipient, products: Sequence[Product], encoding: Encoding
) -> Iterator[tuple[str, Message]]:
    """Give messages with their products; bodies as they leave."""
    yield from (("", one) for one in _of_the_gateway(plan, recipient, products, encoding))
    head = Head(epoch=42, seq=7, policy=plan.policy, boot_id="6f1c22ab")
    routes = {one.product: one for one in plan.routes if one.recipient == recipient.name}
    for product in products:
        said: list[Message | None] = [*encoding.birth(product, routes[product.id], head, _LID)]
        if product.window:
            said += encoding.batch(product, head, _figures(product))
        said += encoding.batch(product, head, _event(product))
        said += [
            encoding.start(product.id, head, Previous(epoch=41, last=931, clean=False)),
            encoding.gap(product.id, head, [_LOSS]),
            encoding.time(product.id, head, _NOW),
            encoding.death(product.id) if isinstance(encoding, CanBury) else None,
        ]
        yield from ((product.id, one) for one in said if one is not None)


def _asked(
    recipient: Recipient, products: Sequence[Product], encoding: Encoding, policy: str
) -> list[tuple[str, Message]]:
    """Give what the recipient may ask, what it is answered, and what comes of it."""
    if not isinstance(encoding, CanObey) or not recipient.commands or not products:
        return []
    head, first = Head(epoch=42, seq=2, policy=policy, boot_id="6f1c22ab"), products[0]
    asked = [
        ("", Message(topic=topic, body=encoding.example(verb, first.id, _LID), kind=verb))
        for topic, verb in encoding.commands().items()
        if verb in recipient.commands
    ]
    wanted = Wanted(first.id, 42, 900, 931)
    gone = ((900, 900),)
    answer = Answer(verb="replay", outcome="done", wanted=wanted, count=31, gone=gone)
    if "replay" not in recipient.commands:
        answer = Answer(verb="rebirth", outcome="done")
    told: list[tuple[str, Message]] = [("", encoding.answer(head, answer))]
    start = encoding.start(ANSWERS, head, None)
    told += [("", start)] if start else []
    if "replay" in recipient.commands:
        for product in products:
            again = replace(encoding.gap(product.id, head, [_LOSS]), topic=encoding.again(product.id))
            said = encoding.batch(product, head, _figures(product)) if product.window else []
            told += [(product.id, replace(one, topic=encoding.again(product.id))) for one in said]
            told.append((product.id, again))
    return asked + told


def _of_the_gateway(
    plan: Plan, recipient: Recipient, products: Sequence[Product], encoding: Encoding
) -> Iterator[Message]:
    status = Status(
        state="online", lid=_LID, epoch=42, policy=plan.policy, clock="ntp", software="0.1.0",
        queue=Queue(n=0, oldest=None, bytes=0, cap=plan.outbox.cap),
        routes=tuple((f"{recipient.name}.{one.id}", "ok") for one in products),
    )  # fmt: skip
    if isinstance(encoding, CanTalk):
        talk = encoding.talk(0, lambda: _NOW)
        yield from talk.opening()
        yield talk.will
    else:
        yield encoding.will(_LID, 42)
    yield encoding.status(status)


def _event(product: Product) -> list[Event]:
    """Give an event where a product can have some."""
    if not any(type(step).__name__ in ("Threshold", "Transition") for step in product.steps):
        return []
    point = product.published[0]
    value = point.resolution or 1.0
    return [
        Event(point.name, "threshold", "warning", _NOW, value, point.unit, f"{point.name} is above its limit")
    ]


def _figures(product: Product) -> list[Aggregate]:
    return [_figure(product, point, n) for n, point in enumerate(product.published)]


def _figure(product: Product, point: Point, number: int) -> Aggregate:
    """Make a figure; the second point of several is withheld or missing, as it may be any day."""
    start = _NOW // product.window * product.window
    if number == 1:
        state = State.SUPPRESSED if product.privacy.mode == "suppress" else State.NO_DATA
        return Aggregate(point.name, start, product.window, None, (None,) * len(product.statistics), state)
    value = 21.0 if not point.resolution else round(round(21.0 / point.resolution) * point.resolution, 9)
    values = tuple(
        (0.5 if one == "share" else value) if one in _FITS[point.kind] else None for one in product.statistics
    )
    return Aggregate(point.name, start, product.window, 12, values)
