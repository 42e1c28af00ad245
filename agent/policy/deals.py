"""Lists who gets what, how fine, why, on which basis, until when and how long: one deal a product and grant.

It is made from the compiled plan, so it cannot say anything else than what is done.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from agent.config.tables import PURPOSES
from agent.core.plan import Plan
from agent.privacy.statement import claim, label

GATEWAY: Final = "gateway"
BROKER: Final = "broker"


class Deal(Struct, frozen=True, kw_only=True):
    """One product for one recipient.

    ``enforced_by``: the gateway ends what it sends; what somebody reads at another's broker only that broker
    can end. ``broker`` is ``host:port``; ``keep`` is in days; ``until`` is empty where the grant is open,
    ``rate`` where it sets none. ``asks`` is what the recipient may ask of the gateway.
    """

    recipient: str
    party: str
    product: str
    title: str
    points: tuple[str, ...]
    window: str
    statistics: tuple[str, ...]
    privacy: str
    claim: str
    grant: str
    purpose: str
    why: str
    basis: str
    keep: float
    until: str
    rate: str
    ended: bool
    enforced_by: str
    broker: str
    asks: tuple[str, ...] = ()


def deals(plan: Plan, today: date) -> list[Deal]:
    """List the deals of *plan* in its order; *today* is the site's date and tells which have ended."""
    products = {one.id: one for one in plan.products}
    brokers = {one.name: (f"{one.host}:{one.port}", one.party) for one in plan.recipients}
    asks = {one.name: one.commands for one in plan.recipients}
    readers = {one.name: one for one in plan.readers}
    whys = PURPOSES | {one.name: one.description for one in plan.purposes}
    made: list[Deal] = []
    for grant in plan.grants:
        reader = readers.get(grant.recipient)
        broker, party = brokers[reader.via if reader else grant.recipient]
        made += [
            Deal(
                recipient=grant.recipient,
                party=reader.party if reader else party,
                product=one.id,
                title=one.title,
                points=tuple(point.name for point in one.published),
                window=one.span if one.window else "events",
                statistics=one.statistics,
                privacy=label(one.privacy),
                claim=claim(one),
                grant=grant.name,
                purpose=grant.purpose,
                why=whys.get(grant.purpose, ""),
                basis=grant.basis,
                keep=grant.keep / 86400.0,
                until=grant.until,
                rate=grant.rate,
                ended=bool(grant.until) and date.fromisoformat(grant.until) < today,
                enforced_by=BROKER if reader else GATEWAY,
                broker=broker,
                asks=asks.get(grant.recipient, ()),
            )
            for one in (products[name] for name in grant.products)
        ]
    return made


def site_date(plan: Plan, utc: float) -> date:
    """Give the site's date at *utc* seconds."""
    return datetime.fromtimestamp(utc, UTC).astimezone(ZoneInfo(plan.timezone)).date()
