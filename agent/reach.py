"""What a plan needs to reach, and what the unit's fence lets it reach.

`citygate apply` writes the fence from the configuration, and tells us by an environment variable what stands
in it: a filter that drops packets says nothing, and an address outside it would look like a cable cut.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from msgspec import Struct

from agent.core.driver import CanBeFenced
from agent.core.errors import ConfigError, DriverError
from agent.core.plan import Plan, Recipient, Tls

VARIABLE: Final = "CITYGATE_FENCE"
Network = IPv4Network | IPv6Network


class Wish(Struct, frozen=True):
    """Somebody (``link plant-room``) who needs a host: a name, an address or a network."""

    who: str
    host: str


class Wishes(Struct, frozen=True, kw_only=True):
    """All that a plan needs; ``unknown`` are links whose driver cannot say."""

    hosts: tuple[Wish, ...]
    ports: tuple[Wish, ...]
    unknown: tuple[str, ...]


def wishes(plan: Plan) -> Wishes:
    """Say what *plan* needs of the network and of serial ports."""
    hosts, ports, unknown = [], [], []
    for link in plan.links:
        who = f"link {link.name}"
        try:
            needs = link.driver.needs() if isinstance(link.driver, CanBeFenced) else None
        except DriverError:
            needs = None  # the network card is not there yet
        if needs is None:
            unknown.append(who)
            continue
        hosts += [Wish(who, one) for one in needs.hosts]
        ports += [Wish(who, one) for one in needs.ports]
    hosts += [_broker(one) for one in plan.recipients]
    return Wishes(hosts=tuple(hosts), ports=tuple(ports), unknown=tuple(unknown))


class Dated(Struct, frozen=True):
    """A certificate that ends one day, and who shows or trusts it: *whose* is a link or a recipient."""

    whose: str
    name: str
    role: str
    reference: str


def dated(plan: Plan) -> Iterator[Dated]:
    """Give every certificate that *plan* names."""
    for one in plan.recipients:
        tls = one.tls or Tls()
        for role, reference in (("authority", tls.ca), ("client certificate", tls.certificate)):
            if reference:
                yield Dated("recipient", one.name, role, reference)
    for link in plan.links:
        try:
            needs = link.driver.needs() if isinstance(link.driver, CanBeFenced) else None
        except DriverError:
            continue
        for role, reference in needs.certificates if needs else ():
            yield Dated("link", link.name, role, reference)


def _broker(recipient: Recipient) -> Wish:
    """Say what a recipient needs: through a proxy, the proxy alone, which looks the broker up itself."""
    host, _ = recipient.reached
    return Wish(f"recipient {recipient.name}{', its proxy' if recipient.proxy else ''}", host)


def outside(plan: Plan, environment: Mapping[str, str] | None = None) -> list[str]:
    """Name each host that the fence keeps from us, in a sentence; nothing where no fence was told of."""
    told = (os.environ if environment is None else environment).get(VARIABLE)
    if told is None:
        return []
    words = told.split()
    return [
        f"{one.who}: {one.host} is outside the fence of citygate.service, so nothing there would answer; "
        "`sudo citygate apply` opens it for what the configuration names"
        for one in wishes(plan).hosts
        if not _inside(one.host, words)
    ]


def must_fit(plan: Plan) -> None:
    """Raise ConfigError when *plan* needs what the fence keeps from us."""
    if beyond := outside(plan):
        raise ConfigError("\n".join(beyond))


def is_literal(host: str) -> bool:
    """Say whether *host* is an address or a network, and no name."""
    try:
        ip_network(host, strict=False)
    except ValueError:
        return False
    return True


def _inside(host: str, words: list[str]) -> bool:
    if not is_literal(host):
        return host.lower() in (word.lower() for word in words) or host.lower() == "localhost"
    wanted = ip_network(host, strict=False)
    if wanted.is_loopback:
        return True
    fence = (ip_network(word, strict=False) for word in words if is_literal(word))
    return any(_holds(one, wanted) for one in fence)


def _holds(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)
