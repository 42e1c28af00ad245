"""The annex of a data-protection impact assessment, for one site, from its own configuration.

It describes and does not judge: whether processing is lawful, necessary or anonymous is for people to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from agent.config.tables import PURPOSES
from agent.core.driver import CanTell
from agent.core.plan import Plan, Recipient
from agent.core.point import Point
from agent.core.product import Product, Route
from agent.outbox.spent import Spent
from agent.privacy.statement import adds_up, claim, label
from agent.prove.record import Record
from agent.report.document import Block, Bullets, Facts, Heading, Page, Paragraph, Table
from agent.report.spans import span
from agent.tallies import Period

_ABOUT = (
    "This annex is made from the configuration of one gateway by the program that runs it. It is material for"
    " an impact assessment and no assessment itself: necessity, proportionality, the choice of a legal basis"
    " and the rights of those concerned are for the controller to set out."
)
_LEVELS = (
    ("L1 reading", "memory", "until its window closes; readings that no product names go no further"),
    ("L2 open window", "memory", "until it is cleared or withheld; lost in a crash, which is told as a gap."
     " At a clean stop, windows of points that do not tell about people are written down"),
    ("L3 cleared record", "outbox on disk, which is also the ledger", "until it is delivered, and as long as"
     " the ledger is kept; its body is erased when its grant or retention ends"),
    ("L4, L5 message", "broker and systems of the recipient", "as long as the grant's keep says; the"
     " recipient has to delete it, and this gateway cannot enforce that"),
)  # fmt: skip
NOISE_DAYS: Final = 30
_PICTURES = (
    "L0 picture", "memory of the process that sees it", "for one analysis of it; only counts come out of it"
)  # fmt: skip
_HEADS = (
    "recipient", "product", "points", "window", "statistics", "privacy",
    "grant", "purpose", "basis", "keep", "until", "at most",
)  # fmt: skip
_ASKED = (
    "Who may ask for replay is sent once more, on a topic that nobody else reads, what it has had already"
    " under the grant that holds now, as long as the grant's keep and until allow: the same messages, so no"
    " threshold is asked twice and no noise is drawn twice. The ledger keeps each question with its answer."
)
_NOT_PROMISED = (
    "A threshold is no differential privacy: it does not help against somebody who knows all others.",
    "A guarantee for one passage is none for a person who passes often.",
    "Recipients of different parties who put together what they have are not hindered.",
    "Who is root on the gateway, or opens it, can do what this program does not.",
    "The ledger alone proves nothing against root; compared with what the city kept, it does.",
    "Purpose and keep bind the recipient; the gateway enforces until, and sends nothing older than keep.",
    "Whether figures are personal data depends on what else a recipient knows.",
)


def annex(  # noqa: PLR0913 - each is named
    plan: Plan,
    record: Record | None,
    *,
    made: str,
    software: str,
    tallies: Sequence[Period] = (),
    noise: Sequence[Spent] = (),
) -> Page:
    """Make the annex; *made* is the date and *record* the last proofs that were kept, if there are any.

    *tallies* are the periods in which somebody could see running totals, *noise* what was released with some
    in the days of ``NOISE_DAYS``.
    """
    place = plan.place
    title = f"Annex to the data-protection impact assessment: {place.label or place.site}, {place.city}"
    blocks = (
        Paragraph(_ABOUT),
        Facts(tuple(_head(plan, made, software))),
        *_captured(plan),
        *_dies(plan),
        *_leaves(plan),
        *_promised(plan),
        *_noise(noise),
        *_kept(plan),
        *_tallies(tallies),
        *_proofs(plan, record),
        Heading("What is not promised"),
        Bullets(_NOT_PROMISED),
    )
    return Page(title, "en", blocks)


def _head(plan: Plan, made: str, software: str) -> Iterator[tuple[str, str]]:
    place = plan.place
    yield "Gateway", f"{place.city}/{place.site}/{place.gateway}"
    yield "Who decides", plan.owner or "nobody is named: write [owner] into the sharing policy"
    yield "Contact", plan.contact or "none is named"
    yield "Data protection officer", plan.dpo or "none is named"
    yield "Policy", f"{plan.policy} (every message carries this number)"
    yield "Made on", f"{made}, by citygate {software}"


def _captured(plan: Plan) -> Iterator[Block]:
    yield Heading("What is captured")
    shared = _shared(plan)
    rows = []
    for link in plan.links:
        for source, points in _by_source(list(link.driver.points())).items():
            rows.append(
                (
                    link.name,
                    link.kind,
                    source,
                    str(len(points)),
                    str(sum(one.name in shared for one in points)),
                    ", ".join(dict.fromkeys(_scope(one) for one in points)),
                    _pace(points),
                )
            )  # fmt: skip
    heads = ("link", "driver", "device", "points", "shared", "tells about", "a reading every")
    yield Table("Devices and what they tell about", heads, tuple(rows))
    yield Paragraph(
        "Shared: points that a granted product takes. The others go no further than the gateway's memory."
    )


def _dies(plan: Plan) -> Iterator[Block]:
    yield Heading("Where it ends")
    counts_people = any(_is_seen(point) for link in plan.links for point in link.driver.points())
    levels = (_PICTURES, *_LEVELS) if counts_people else _LEVELS
    yield Table("Levels, from the device to the recipient", ("level", "where", "how long"), levels)
    if not counts_people:
        yield Paragraph("No point of this site counts people by pictures, so none is taken.")
    told = [fact for link in plan.links if isinstance(link.driver, CanTell) for fact in link.driver.facts()]
    if told:
        yield Bullets(tuple(f"{one}." for one in told))


def _leaves(plan: Plan) -> Iterator[Block]:
    yield Heading("What leaves")
    if not plan.routes:
        yield Paragraph("Nothing: no grant shares a product with a recipient.")
        return
    products = {one.id: one for one in plan.products}
    yield Table("Routes", _HEADS, tuple(_route(one, products[one.product]) for one in plan.routes))
    granted = [one for one in plan.products if one.id in {route.product for route in plan.routes}]
    points = tuple(
        (one.id, point.name, point.unit, str(point.kind), _scope(point))
        for one in granted
        for point in one.published
    )
    yield Table("Points of each product", ("product", "point", "unit", "kind", "tells about"), points)
    used = {route.recipient for route in plan.routes}
    yield Table(
        "Recipients",
        ("recipient", "party", "broker", "encrypted", "encoding", "may ask for"),
        tuple(_recipient(one) for one in plan.recipients if one.name in used),
    )
    if any(one.commands for one in plan.recipients if one.name in used):
        yield Paragraph(_ASKED)
    yield Table("Purposes", ("purpose", "what it is", "shortest window", "least k"), tuple(_purposes(plan)))


def _promised(plan: Plan) -> Iterator[Block]:
    yield Heading("How figures are protected")
    products = {one.id: one for one in plan.products}
    granted = {route.product: products[route.product] for route in plan.routes}
    said = [f"{name}: {text}." for name, one in granted.items() if (text := claim(one))]
    said += [f"{name}: no privacy mode." for name, one in granted.items() if not claim(one)]
    for recipient in plan.recipients:
        own = [products[one.product] for one in plan.routes if one.recipient == recipient.name]
        if text := adds_up(own):
            said.append(f"{recipient.name}: {text}.")
    yield Bullets(tuple(said)) if said else Paragraph("Nothing leaves.")


def _noise(noise: Sequence[Spent]) -> Iterator[Block]:
    """Tell what was released with noise lately: by product, count and policy."""
    if not noise:
        return
    yield Heading("Figures with noise that were released")
    found: dict[tuple[str, ...], list[int]] = {}
    for one in noise:
        key = (one.product, one.point, one.policy, one.epsilon, str(one.sensitivity))
        found.setdefault(key, []).append(one.releases)
    rows = [(*key, str(len(days)), str(max(days)), str(sum(days))) for key, days in sorted(found.items())]
    heads = ("product", "count", "policy", "epsilon", "S", "days", "most in a day", "in all")
    yield Table(f"The last {NOISE_DAYS} days", heads, tuple(rows))
    yield Paragraph(
        "One passage falls into one window, so it loses at most epsilon, however many windows a day has; who"
        " passes m times loses m times as much. citygate ledger privacy tells it day by day."
    )


def _kept(plan: Plan) -> Iterator[Block]:
    yield Heading("Retention on the gateway")
    yield Facts(
        (
            ("What was delivered", f"stays as the ledger for {span(plan.outbox.keep)}"),
            ("What waits for a recipient", "until its grant's keep is over or its grant has ended"),
            ("Size", f"at most {plan.outbox.cap / 1e6:g} MB; what has to go is declared to the recipient"),
            ("After that", "one check sum for each day and route, for 400 days"),
        )
    )


def _tallies(periods: Sequence[Period]) -> Iterator[Block]:
    yield Heading("Running totals on the gateway")
    if not periods:
        yield Paragraph("Nobody has had running totals shown here.")
        return
    yield Paragraph(
        "While a person counts beside a camera (citygate validate LINK), whoever may use the gateway's own"
        " control socket sees its running totals, without a threshold. They do not leave the gateway."
    )
    rows = tuple((one.link, _utc(one.begin), _utc(one.end), str(one.points)) for one in periods)
    yield Table("Periods", ("link", "from (UTC)", "to (UTC)", "points"), rows)


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _proofs(plan: Plan, record: Record | None) -> Iterator[Block]:
    yield Heading("Proofs")
    if record is None:
        yield Paragraph("No proof has been kept on this computer. The command citygate prove makes them.")
        return
    yield Paragraph(
        f"Made at {record.at} by citygate {record.software}, at {record.place}, policy {record.policy}."
    )
    if record.policy != plan.policy:
        yield Paragraph(
            f"They are of another policy than {plan.policy}, which this annex describes: make them anew."
        )
    rows = tuple((str(one.state), one.promise, " ".join(one.told)) for one in record.proofs)
    yield Table("Promises put to the test", ("result", "promise", "what was seen"), rows)


def _route(route: Route, product: Product) -> tuple[str, ...]:
    return (
        route.recipient,
        f"{product.id}: {product.title}" if product.title else product.id,
        str(len(product.published)),
        product.span if product.window else "events",
        " ".join(product.statistics) or "-",
        label(product.privacy),
        route.grant,
        route.purpose,
        route.basis or "none named",
        span(route.keep),
        route.until.isoformat() if route.until else "open",
        str(route.rate or "-"),
    )


def _recipient(one: Recipient) -> tuple[str, ...]:
    return (
        one.name,
        one.party or "-",
        f"{one.host}:{one.port}",
        "TLS" if one.tls else "no",
        one.encoding,
        " and ".join(one.commands) or "nothing",
    )


def _purposes(plan: Plan) -> Iterator[tuple[str, ...]]:
    own = {one.name: one for one in plan.purposes}
    for name in dict.fromkeys(route.purpose for route in plan.routes):
        if (said := own.get(name)) is not None:
            yield (
                name,
                said.description,
                said.finest or "any",
                str(said.k) if said.k else "as the product says",
            )
        else:
            yield name, PURPOSES.get(name, "-"), "any", "as the product says"


def _shared(plan: Plan) -> set[str]:
    granted = {route.product for route in plan.routes}
    return {point.name for one in plan.products if one.id in granted for point in one.points}


def _by_source(points: list[Point]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for one in points:
        found.setdefault(one.source, []).append(one)
    return found


def _scope(point: Point) -> str:
    return f"{point.scope} (personal)" if point.personal else str(point.scope)


def _is_seen(point: Point) -> bool:
    """Say whether a point counts people who are seen, and not what a home or a workplace uses."""
    return point.personal and point.counts


def _pace(points: list[Point]) -> str:
    shortest = min(one.every for one in points)
    return span(shortest) if shortest else "on change"
