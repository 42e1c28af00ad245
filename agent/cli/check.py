"""Look for faults; if there are none, tell what will be polled and what will leave.

Every fault of every file is shown at once, with its place and the nearest right answer; the exit status is
then 2. Nothing is started and nothing is connected to.

For example:
  citygate check                    /etc/citygate
  citygate check ./site             a folder, or a single file
  citygate check --json | jq .leaves
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from agent.cli import options
from agent.cli.plan import bus_share, polls_of
from agent.cli.screen import sentence, size, span, table
from agent.cli.volume import DAY, MONTH, Volume, volumes
from agent.privacy.statement import adds_up, claim, label

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from agent.core.plan import Link, Plan
    from agent.core.product import Product, Route

_SHOWN: Final = 6  # points in a row; all of them stand in the table of points


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate check` takes."""
    options.folder(parser)
    options.json(parser)


def run(args: argparse.Namespace) -> int:
    """Print what the configuration means."""
    from agent.config.load import load

    plan = load(args.folder)
    if args.json:
        import json

        print(json.dumps(_as_json(plan), indent=2))
        return 0
    place = plan.place
    print(f"{place.city}/{place.site}/{place.gateway}: no faults; policy {plan.policy}\n")
    parts = (
        _polled(plan), _facts(plan), _leaves(plan), _reads(plan), _asks(plan), _claims(plan),
        _matched(plan), _points(plan), _recipients(plan), _strangers(), _warnings(plan),
    )  # fmt: skip
    for part in parts:
        if part:
            print(part, end="\n\n")
    return 0


class Polled(Struct, frozen=True, kw_only=True):
    """One device: ``every`` is its shortest interval in seconds, 0: on change; None: nobody can tell."""

    device: str
    link: str
    driver: str
    points: int
    every: float
    requests: int | None


def polled(link: Link) -> list[Polled]:
    """Tell what will be polled on *link*."""
    polls = polls_of(link)
    every: dict[str, list[float]] = {}
    for point in link.driver.points():
        every.setdefault(point.name.partition(".")[0], []).append(point.every)
    return [
        Polled(
            device=device,
            link=link.name,
            driver=link.kind,
            points=len(times),
            every=min((one for one in times if one), default=0.0),
            requests=sum(1 for one in polls if one.device == device) if polls else None,
        )
        for device, times in every.items()
    ]


def _polled(plan: Plan) -> str:
    rows = [
        [
            one.device,
            one.link,
            one.driver,
            str(one.points),
            span(one.every) if one.every else "on change",
            "-" if one.requests is None else str(one.requests),
        ]
        for link in plan.links
        for one in polled(link)
    ]
    busy = [
        f"  {link.name}: the bus is busy {share:.1%} of the time"
        for link in plan.links
        if (share := bus_share(polls_of(link)))
    ]
    heads = ("device", "link", "driver", "points", "every", "requests")
    if not rows:
        return "What will be polled\n  Nothing: no [device.NAME] names a link."
    return "\n".join(["What will be polled", table(heads, rows), *busy])


def facts(plan: Plan) -> list[str]:
    """Give what drivers want a person to know."""
    from agent.core.driver import CanTell

    return [fact for link in plan.links if isinstance(link.driver, CanTell) for fact in link.driver.facts()]


def _facts(plan: Plan) -> str:
    told = facts(plan)
    return "\n".join(["To know", *map(sentence, told)]) if told else ""


def _leaves(plan: Plan) -> str:
    heads = ("recipient", "product", "points", "window", "statistics", "privacy",
             "purpose", "basis", "keep", "until", "at most")  # fmt: skip
    products = {one.id: one for one in plan.products}
    rows = [_route(route, products[route.product]) for route in plan.routes]
    if not rows:
        return "What will leave\n  Nothing: no grant shares a product with a recipient."
    note = (
        "keep: how long the recipient may keep it. until: the last day of the grant. at most: windows and"
        " events in a stretch of time. Samples never leave."
    )
    return "\n".join(["What will leave", *_owner(plan), table(heads, rows), sentence(note)])


def _owner(plan: Plan) -> list[str]:
    """Say who decides, and who can be asked."""
    if not plan.owner:
        return [sentence("Nobody is named who decides this: write [owner] into sharing.toml.")]
    asked = [one for one in (plan.contact, plan.dpo and f"data protection officer {plan.dpo}") if one]
    signed = [sentence(signed_by(plan))] if plan.edition else []
    return [sentence(f"Decided by {', '.join([plan.owner, *asked])}."), *signed]


def signed_by(plan: Plan) -> str:
    """Say which edition of the policy this is, and who signed it."""
    one = plan.edition
    if one is None:
        return "Nobody demands a signature here: there is neither allowed_signers nor allowed_minisign."
    return f"Number {one.number} for {one.city}, signed by {one.signer}."


def _route(route: Route, product: Product) -> list[str]:
    return [
        route.recipient,
        route.product,
        str(len(product.published)),
        product.span if product.window else "events",
        " ".join(product.statistics) or "-",
        label(product.privacy),
        route.purpose,
        route.basis or "-",
        span(route.keep),
        route.until.isoformat() if route.until else "open",
        str(route.rate or "-"),
    ]


def _matched(plan: Plan) -> str:
    """Say what each wish of a product stands for at this site: one policy may serve many."""
    rows = [[one.product, one.wish, str(len(one.points)), _few(one.points)] for one in plan.matched]
    if not rows:
        return ""
    return "\n".join(["What each `from` matched", table(("product", "from", "points", "which"), rows)])


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _reads(plan: Plan) -> str:
    """Say who reads what at another's broker, where nothing of ours can stop it."""
    vias = {one.name: one.via for one in plan.readers}
    rows = [
        [grant.recipient, product, vias[grant.recipient], grant.purpose, grant.until or "open", "broker"]
        for grant in plan.grants
        if grant.recipient in vias
        for product in grant.products
    ]
    if not rows:
        return ""
    heads = ("reader", "product", "at the broker of", "purpose", "until", "enforced by")
    note = "Nothing is sent to them; `citygate policy export` writes the broker's access list."
    return "\n".join(["What is read at another's broker", table(heads, rows), sentence(note)])


def _asks(plan: Plan) -> str:
    """Say who may ask the gateway for what."""
    said = [
        f"{one.name}: {' and '.join(one.commands)}; nothing that it has not had already."
        for one in plan.recipients
        if one.commands
    ]
    return "\n".join(["Who may ask the gateway", *map(sentence, said)]) if said else ""


def _claims(plan: Plan) -> str:
    """Say what is promised of protected figures, and what several of them cost together."""
    products = {one.id: one for one in plan.products}
    granted = {route.product: products[route.product] for route in plan.routes}
    said = [f"{name}: {text}." for name, one in granted.items() if (text := claim(one))]
    for recipient in plan.recipients:
        own = [products[one.product] for one in plan.routes if one.recipient == recipient.name]
        if text := adds_up(own):
            said.append(f"{recipient.name}: {text}.")
    return "\n".join(["What the figures promise", *map(sentence, said)]) if said else ""


def _points(plan: Plan) -> str:
    granted = {route.product for route in plan.routes}
    rows = [
        [
            product.id + ("" if product.id in granted else " (no grant: stays here)"),
            one.name,
            one.unit,
            one.kind,
            f"{one.scope}, personal" if one.personal else one.scope,
        ]
        for product in plan.products
        for one in product.published
    ]
    heads = ("product", "point", "unit", "kind", "tells about")
    return f"Points of each product\n{table(heads, rows)}" if rows else ""


def _recipients(plan: Plan) -> str:
    if not plan.recipients:
        return ""
    heads = ("recipient", "broker", "messages a day", "MB a month", "outage held", "then drained in")
    brokers = {one.name: f"{one.host}:{one.port}{' TLS' if one.tls else ''}" for one in plan.recipients}
    rows = [[one.recipient, brokers[one.recipient], *_forecast(one)] for one in volumes(plan)]
    note = (
        "Counted: windows, as MQTT packets without TCP and TLS; events come on top. What waits for a broker"
        f" is held until the grant's keep is over, in at most {size(plan.outbox.cap)} of disk; what was"
        f" delivered stays here as the ledger for {span(plan.outbox.keep)}."
    )
    return "\n".join(["Per recipient", table(heads, rows), sentence(note)])


def _forecast(one: Volume) -> tuple[str, str, str, str]:
    if one.held is None or one.drain is None or not one.messages:
        return "events only", "-", "-", "-"
    drain = "never: the rate is too low" if one.drain == float("inf") else span(one.drain)
    return (
        f"{one.messages:.0f}" if one.messages >= 10 else f"{one.messages:.2g}",
        f"{one.wire * MONTH / DAY / 1e6:.3g}",
        f"{one.held / DAY:,.1f} days" if one.held < 1000 * DAY else f"{one.held / DAY / 365:,.0f} years",
        drain if one.drain else "at once",
    )


def _strangers() -> str:
    """Name what is not ours: none of our promises speaks for it."""
    from agent.registry import strangers

    told = [sentence(f"{one.sentence()}.") for one in strangers()]
    return "\n".join(["Of others, and outside what citygate promises", *told]) if told else ""


def _warnings(plan: Plan) -> str:
    return "\n".join(["Warnings", *map(sentence, plan.warnings)]) if plan.warnings else ""


def _as_json(plan: Plan) -> dict[str, Any]:
    from msgspec import to_builtins

    from agent.registry import strangers

    products = {one.id: one for one in plan.products}
    return {
        "place": to_builtins(plan.place),
        "owner": {"name": plan.owner, "contact": plan.contact, "dpo": plan.dpo},
        "policy": plan.policy,
        "polled": [to_builtins(one) for link in plan.links for one in polled(link)],
        "leaves": [
            {
                **to_builtins(route),
                "points": [point.name for point in products[route.product].published],
                "window": products[route.product].span,
                "statistics": products[route.product].statistics,
                "privacy": to_builtins(products[route.product].privacy),
                "claim": claim(products[route.product]),
            }
            for route in plan.routes
        ],
        "reads": [to_builtins(one) for one in plan.readers],
        "asks": {one.name: one.commands for one in plan.recipients if one.commands},
        "matched": [to_builtins(one) for one in plan.matched],
        "recipients": [to_builtins(one) for one in volumes(plan)],
        "facts": facts(plan),
        "strangers": [one.sentence() for one in strangers()],
        "warnings": plan.warnings,
    }
