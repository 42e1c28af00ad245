"""An interface as a page for the people of a platform: topics, products, points, examples."""

from __future__ import annotations

from collections.abc import Iterator

from agent.core.message import Message
from agent.core.product import Product
from agent.report.document import Block, Bullets, Facts, Heading, Page, Paragraph, Table
from agent.report.interface import Channel, Interface
from agent.report.spans import span

_LATE = {
    "marked": "a late window says of itself that it is history; live ones overtake it",
    "dated": "a late window is filed under its own time; live ones go first",
    "in-order": "nothing overtakes: the newest window is the last to come",
}


def page(described: Interface, *, software: str) -> Page:
    """Write the page."""
    recipient, place = described.recipient, described.plan.place
    way = f"{', TLS' if recipient.tls else ''}{', within WebSocket' if recipient.websocket else ''}"
    facts = (
        ("Gateway", f"{place.city}/{place.site}/{place.gateway}"),
        ("Broker", f"{recipient.host}:{recipient.port}{recipient.websocket}, MQTT {recipient.mqtt}{way}"),
        ("Encoding", recipient.encoding),
        ("Late windows", _LATE[described.late]),
        ("Policy", described.plan.policy),
        ("Written by", f"citygate {software}"),
    )
    blocks: list[Block] = [Facts(facts), Heading("Topics"), _topics(described)]
    for product in described.products:
        blocks += _product(described, product)
    blocks += [Heading("The gateway itself"), *_examples(described, "")]
    return Page(title=f"What {recipient.name} receives", language="en", blocks=tuple(blocks))


def _topics(described: Interface) -> Table:
    rows = [(one.topic, _whose(one), _kinds(one), _qos(one)) for one in described.channels]
    return Table("What is written where", ("topic", "of", "messages", "QoS"), tuple(rows))


def _whose(channel: Channel) -> str:
    return "you, to the gateway" if channel.heard else channel.product or "the gateway"


def _kinds(channel: Channel) -> str:
    return ", ".join(channel.messages)


def _qos(channel: Channel) -> str:
    found = {f"{one.qos}{', retained' if one.retain else ''}" for one in channel.messages.values()}
    return " or ".join(sorted(found))


def _product(described: Interface, product: Product) -> Iterator[Block]:
    yield Heading(product.title or product.id)
    privacy = product.privacy
    protected = "not protected further" if privacy.mode == "none" else f"protected by {privacy.mode}"
    width = f"every {span(product.window)}" if product.window else "when something happens"
    most = "".join(
        f" At most {one.rate}: so many windows, and so many events; a gap says when there were more."
        for one in described.plan.routes
        if (one.recipient, one.product) == (described.recipient.name, product.id) and one.rate
    )
    yield Paragraph(
        f"Product {product.id}: {width}; {', '.join(product.statistics) or 'events'}; {protected}.{most}"
    )
    rows = [(one.name, one.unit, str(one.kind), one.quantity or "-") for one in product.published]
    yield Table(f"Points of {product.id}", ("point", "unit", "kind", "quantity"), tuple(rows))
    yield from _examples(described, product.id)


def _examples(described: Interface, product: str) -> Iterator[Block]:
    shown: set[str] = set()
    items = []
    for channel in described.channels:
        for kind, message in channel.messages.items():
            if channel.product == product and kind not in shown:
                shown.add(kind)
                items.append(f"{kind} on {channel.topic}: {_text(message)}")
    yield Bullets(tuple(items))


def _text(message: Message) -> str:
    try:
        text = message.body.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    return (
        text if text.isprintable() and text else f"{len(message.body)} bytes: {message.body[:48].hex()} ..."
    )
