"""Compiles the sharing policy: recipients, grants, and the routes that follow from them.

It refuses references to nothing, secrets in the file, two recipients on one connection, one product granted
twice to the same recipient, and personal figures without a legal basis.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from msgspec import Struct

from agent.config import tables
from agent.config.brokers import Broker, is_loopback, parse_broker
from agent.config.commands import check_commands
from agent.config.draft import Draft
from agent.config.links import CREDENTIAL_HINT
from agent.config.platforms import alpn, demands_of, fitted, web_path
from agent.config.readers import as_recipients, compile_readers
from agent.config.references import check_references
from agent.config.spans import Path
from agent.config.terms import Terms
from agent.config.wording import compile_encoding
from agent.core.plan import Grant, Purpose, Reader, Recipient, Tls
from agent.core.product import Product, Route
from agent.core.rate import Rate
from agent.core.secrets import PREFIX

_PROXY: Final = re.compile(r"http://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}/?")
_ONE_OWNER: Final = "keep one of the two; who else may read there is the broker's access list to say"


class Sharing(Struct, frozen=True):
    """The compiled sharing policy."""

    recipients: tuple[Recipient, ...]
    readers: tuple[Reader, ...]
    grants: tuple[Grant, ...]
    routes: tuple[Route, ...]


def compile_sharing(
    draft: Draft, products: Sequence[Product], purposes: Sequence[Purpose], today: date
) -> Sharing:
    """Compile ``[recipient.*]`` and ``[grant.*]`` for *products*; *today* is the site's date."""
    written = dict(draft.named("recipient"))
    own = {name: table for name, table in written.items() if "via" not in table}
    found = [_recipient(draft, name, table) for name, table in own.items()]
    recipients = [one for one in found if one is not None]
    _check_connections(draft, recipients)
    readers = compile_readers(draft, {name: written[name] for name in written if name not in own}, own)
    known = {*tables.PURPOSES, *draft.names("purpose")}
    terms = Terms(products, [*recipients, *as_recipients(readers, recipients)], purposes)
    compiler = _Grants(draft, terms, [*written], known, today)
    compiler.vias = {one.name: one.via for one in readers}
    for name, table in draft.named("grant"):
        compiler.add(name, table)
    compiler.warn_of_the_ungranted()
    compiler.check_readers()
    return Sharing(tuple(recipients), readers, tuple(compiler.grants), tuple(compiler.routes))


def _recipient(draft: Draft, name: str, table: Mapping[str, object]) -> Recipient | None:
    path: Path = ("recipient", name)
    before = len(draft.faults)
    written, bad = draft.salvage(table, tables.Recipient, path, {})
    if not written.broker and not bad:
        draft.fault(path, 'missing key "broker"', "mqtts://host[:port], or mqtt:// without encryption")
    if not written.broker:
        return None
    encoding, style = compile_encoding(draft, written.encoding, (*path, "encoding"))
    _check_secrets(draft, path, written)
    _check_proxy(draft, path, written)
    broker = _broker(draft, path, written.broker)
    if broker is None:
        return None
    demands = demands_of(encoding, style, broker.host) if encoding else None
    if demands is not None and not bad:
        written = fitted(draft, path, written, broker, demands)
    _check_tls(draft, path, written, broker, bad)
    if broker.is_websocket and written.client == "aiomqtt":
        draft.fault((*path, "client"), "aiomqtt knows no WebSocket here", "leave it out")
    check_commands(draft, path, written, broker, encoding)
    check_references(draft, path, table)
    if len(draft.faults) > before:
        return None
    _warn(draft, path, written, broker)
    tls = Tls(ca=written.ca, certificate=written.certificate, key=written.key)
    return Recipient(
        name=name,
        host=broker.host,
        port=broker.port,
        tls=tls if broker.is_encrypted else None,
        mqtt=written.mqtt,
        client=written.client,
        proxy=written.proxy,
        proxy_username=written.proxy_username,
        proxy_password=written.proxy_password,
        encoding=encoding,
        style=style,
        username=written.username,
        password=written.password,
        client_id=written.client_id,
        keepalive=float(written.keepalive),
        rate=float(written.rate),
        on_no_subscriber=written.on_no_subscriber,
        party=written.party,
        witness=written.witness,
        alpn=alpn(demands, broker),
        websocket=web_path(demands, broker, certified=bool(written.certificate)),
        commands=written.commands,
    )


def _broker(draft: Draft, path: Path, url: str) -> Broker | None:
    try:
        return parse_broker(url)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        draft.fault((*path, "broker"), message, hint)
        return None


def _check_secrets(draft: Draft, path: Path, written: tables.Recipient) -> None:
    for key in ("password", "proxy_password"):
        if getattr(written, key) and not getattr(written, key).startswith(PREFIX):
            draft.fault((*path, key), "a secret stands in this file", CREDENTIAL_HINT)
    for key in ("ca", "certificate", "key"):
        if "\n" in getattr(written, key):
            message = "expected the name of a file, got what stands in one"
            draft.fault((*path, key), message, CREDENTIAL_HINT)


def _check_proxy(draft: Draft, path: Path, written: tables.Recipient) -> None:
    if written.proxy and not _PROXY.fullmatch(written.proxy):
        hint = "write proxy_username, and proxy_password" if "@" in written.proxy else ""
        draft.fault((*path, "proxy"), 'expected an address such as "http://proxy.example:3128"', hint)
    for key, beside in (("proxy_username", "proxy"), ("proxy_password", "proxy_username")):
        if getattr(written, key) and not getattr(written, beside):
            draft.fault((*path, key), f'"{key}" needs "{beside}" beside it', at_key=True)


def _check_tls(
    draft: Draft, path: Path, written: tables.Recipient, broker: Broker, bad: frozenset[str]
) -> None:
    if bad:
        return  # a misspelt key would be missed here a second time
    if not broker.is_encrypted:
        for key in ("ca", "certificate", "key"):
            if getattr(written, key):
                message = f'"{key}" means nothing without encryption'
                scheme = "wss" if broker.is_websocket else "mqtts"
                draft.fault((*path, key), message, f"write {scheme}:// as the broker", at_key=True)
    elif bool(written.certificate) != bool(written.key):
        given, lacking = ("certificate", "key") if written.certificate else ("key", "certificate")
        draft.fault((*path, given), f'"{given}" needs "{lacking}" beside it', at_key=True)
    if written.password and not written.username:
        draft.fault((*path, "password"), 'a password needs "username" beside it', at_key=True)


def _warn(draft: Draft, path: Path, written: tables.Recipient, broker: Broker) -> None:
    if written.mqtt == "3.1.1":
        text = "MQTT 3.1.1 has no reason codes: when this broker refuses a message, nobody is told"
        draft.warn((*path, "mqtt"), text)
    if written.username and not broker.is_encrypted and not is_loopback(broker.host):
        scheme = "wss" if broker.is_websocket else "mqtts"
        text = f"username and password cross the network unencrypted; use {scheme}://"
        draft.warn((*path, "broker"), text)


def _check_connections(draft: Draft, recipients: Sequence[Recipient]) -> None:
    for index, one in enumerate(recipients):
        for other in recipients[:index]:
            if (one.host, one.port) != (other.host, other.port):
                continue
            for key in ("client_id", "username"):
                if getattr(one, key) and getattr(one, key) == getattr(other, key):
                    message = f'recipient "{other.name}" uses this connection: same broker and {key}'
                    draft.fault(("recipient", one.name, key), message)
                    break
            else:
                if not _identity(one) and not _identity(other):
                    message = f'recipient "{other.name}" uses this connection: same broker, no username'
                    draft.fault(("recipient", one.name, "broker"), message, _ONE_OWNER)
                elif one.encoding == other.encoding:
                    # ids do not tell the recipient, and a retained status would be the other one's
                    message = f'recipient "{other.name}" is at this broker: both would write the same topics'
                    draft.fault(("recipient", one.name, "broker"), message, _ONE_OWNER)


def _identity(recipient: Recipient) -> str:
    """Give what the broker can tell this connection from others by."""
    certificate = recipient.tls.certificate if recipient.tls else ""
    return recipient.username or recipient.client_id or certificate


class _Grants:
    """Grants on their way, and the routes that follow from them."""

    def __init__(
        self,
        draft: Draft,
        terms: Terms,
        recipients: Sequence[str],
        purposes: set[str],
        today: date,
    ) -> None:
        self.grants: list[Grant] = []
        self.routes: list[Route] = []
        self.vias: dict[str, str] = {}  # reader -> the recipient at whose broker it reads
        self._read: list[tuple[Route, Path]] = []  # what readers get: like routes, but nothing is sent
        self._draft = draft
        self._terms = terms
        self._known = draft.names("product")
        self._recipients = recipients
        self._purposes = purposes
        self._today = today
        self._given: dict[tuple[str, str], str] = {}  # recipient and product -> grant

    def add(self, name: str, table: Mapping[str, object]) -> None:
        """Compile one grant."""
        path: Path = ("grant", name)
        stand_ins = {"recipient": "?", "products": ["?"], "purpose": "?", "keep": "1d"}
        written, bad = self._draft.salvage(table, tables.Grant, path, stand_ins)
        for key, known in (("recipient", self._recipients), ("purpose", self._purposes)):
            word = getattr(written, key)
            if word not in known and key not in bad:
                self._draft.dangling((*path, key), f'no {key} is called "{word}"', word, known)
        rate = self._rate(written.rate, path)
        for index, product in enumerate(() if "products" in bad else written.products):
            self._route(name, written, product, (*path, "products", index), rate)
        if written.until is not None and written.until < self._today:
            text = f'grant "{name}" ended on {written.until}: nothing leaves by it any more'
            self._draft.warn((*path, "until"), text)
        self.grants.append(
            Grant(
                name=name,
                recipient=written.recipient,
                products=written.products,
                purpose=written.purpose,
                basis=written.basis,
                keep=float(written.keep),
                until=written.until.isoformat() if written.until else "",
                rate=str(rate) if rate else "",
            )
        )

    def _rate(self, text: str, path: Path) -> Rate | None:
        try:
            return Rate.parse(text) if text else None
        except ValueError as error:
            self._draft.fault((*path, "rate"), str(error))
            return None

    def _route(self, name: str, written: tables.Grant, product: str, path: Path, rate: Rate | None) -> None:
        if product not in self._known:
            self._draft.dangling(path, f'no product is called "{product}"', product, self._known)
            return
        other = self._given.setdefault((written.recipient, product), name)
        if other != name or product in written.products[: int(path[-1])]:
            by = f' by grant "{other}"' if other != name else ""
            self._draft.fault(path, f'"{product}" is granted to "{written.recipient}" already{by}')
            return
        compiled = self._terms.products.get(product)
        if compiled is None:
            return  # the product's own fault has been noted
        if not written.basis and any(one.tells_of_few for one in compiled.points):
            message = f'product "{product}" is made of personal points: the grant needs a legal basis'
            self._draft.fault(path, message, 'write basis = "public-task", or another one')
        heard = [*self.routes, *(one for one, _ in self._read)]
        for message, hint in self._terms.objections(compiled, written, heard):
            self._draft.fault(path, message, hint)
        for message, hint in self._terms.too_often(compiled, rate):
            self._draft.fault(path, message, hint)
        for remark in self._terms.remarks(compiled, written.recipient, heard):
            self._draft.warn(path, remark)
        route = Route(
            recipient=written.recipient,
            product=product,
            grant=name,
            purpose=written.purpose,
            basis=written.basis,
            keep=float(written.keep),
            until=written.until,
            rate=rate,
        )
        if written.recipient in self.vias:
            self._read.append((route, path))
        else:
            self.routes.append(route)

    def check_readers(self) -> None:
        """Refuse what a reader could never find: only what the broker's own recipient gets is there."""
        there = {(one.recipient, one.product): one for one in self.routes}
        for route, path in self._read:
            via = self.vias[route.recipient]
            source = there.get((via, route.product))
            if source is None:
                if self._draft.is_whole:
                    message = (
                        f'"{route.recipient}" reads at "{via}", which has no grant for "{route.product}"'
                    )
                    self._draft.fault(path, message, "grant it to both, or to neither")
            elif route.rate and not (source.rate and route.rate.covers(source.rate)):
                message = f'"{route.recipient}" reads what "{via}" gets, which is not held to {route.rate}'
                self._draft.fault(path, message, f'write rate = "{route.rate}" for "{via}" too')

    def warn_of_the_ungranted(self) -> None:
        """Tell of products that nobody gets, and of recipients that get nothing."""
        for name in self._known:
            if not any(product == name for _, product in self._given):
                text = f'product "{name}" is computed for nobody: no grant names it'
                self._draft.warn(("product", name), text)
        for name in self._recipients:
            if not any(recipient == name for recipient, _ in self._given):
                text = f'recipient "{name}" gets nothing: no grant names it'
                self._draft.warn(("recipient", name), text)
