"""The tables that a configuration may hold, as far as no plugin defines them.

A description that is missing here is missing in the editor's schema and in the documentation.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from agent.config.size import Size
from agent.core.command import Verb
from agent.core.duration import Duration
from agent.core.point import Kind, Scope
from agent.core.product import Longest, Mode, Statistic
from agent.core.settings import Name, Settings

Longitude = Annotated[float, Meta(ge=-180, le=180)]
Share = Annotated[float, Meta(ge=0, le=1)]
Few = Annotated[int, Meta(ge=2)]
Sources = Annotated[int, Meta(ge=5)]
Part = Annotated[float, Meta(gt=0, le=1)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Basis = Literal[
    "", "consent", "contract", "legal-obligation", "vital-interests", "public-task", "legitimate-interests"
]


class Site(Settings):
    """Where this gateway is, and how its messages are named."""

    city: Annotated[Name, Meta(description="The city; the first level of every topic.")]
    id: Annotated[Name, Meta(description="The site within the city.")]
    gateway: Annotated[Name, Meta(description="The gateway within the site.")] = "gw1"
    timezone: Annotated[
        str, Meta(description="IANA time zone; days, weeks and months begin by it.", min_length=1)
    ] = "UTC"
    label: Annotated[str, Meta(description="Name for people.")] = ""
    location: Annotated[
        tuple[Longitude, Latitude] | None, Meta(description="Longitude and latitude in degrees (WGS 84).")
    ] = None


class Clock(Settings):
    """What to do while the time of day is not known to be right."""

    wait: Annotated[
        Duration,
        Meta(description="How long windows wait for a synchronised clock at start.", extra={"most": "1h"}),
    ] = Duration(120)


class Outbox(Settings):
    """The queue on disk, which is also the ledger."""

    path: Annotated[str, Meta(description="Folder of the outbox; empty: the state folder.")] = ""
    cap: Annotated[
        Size,
        Meta(description="Largest size of the file; the oldest rows go first.", extra={"least": "1MB"}),
    ] = Size(512_000_000)
    keep: Annotated[
        Duration, Meta(description="How long rows stay here as the ledger.", extra={"least": "1m"})
    ] = Duration(30 * 86400)


class Metrics(Settings):
    """Where metrics about the gateway are left for another program; they can always be asked for."""

    file: Annotated[
        str,
        Meta(
            description="File for node-exporter's textfile collector, ending in .prom.",
            pattern=r"^/.+\.prom$",
        ),
    ]


class LinkHead(Settings):
    """What every link says beside its driver's own settings."""

    driver: Annotated[str, Meta(description="Which driver speaks on this link.")]


class DeviceHead(Settings):
    """What every device says beside its driver's own settings."""

    link: Annotated[str, Meta(description="The link that reaches the device.")]
    profile: Annotated[
        str, Meta(description="Device type, vendor/model: gives the points and their defaults.")
    ] = ""


class StepHead(Settings):
    """What every step says beside its own settings."""

    use: Annotated[str, Meta(description="Which step this is.")]


class EncodingHead(Settings):
    """What every encoding says beside its own settings."""

    use: Annotated[str, Meta(description="Which encoding this is.")]


class Pipeline(Settings):
    """Steps that several products share."""

    steps: Annotated[tuple[dict[str, Any], ...], Meta(description="The steps, in their order.", min_length=1)]


class Select(Settings):
    """Selects points by what they are; a point must meet every key that is given."""

    name: Annotated[str, Meta(description="Name pattern; * stands for any text.")] = "*"
    quantity: Annotated[str, Meta(description="What the point measures: active_power.")] = ""
    kind: Annotated[
        Kind | None, Meta(description="How its values combine: gauge, counter, count, state.")
    ] = None
    scope: Annotated[Scope | None, Meta(description="Whom it tells about.")] = None
    tags: Annotated[tuple[str, ...], Meta(description="Tags that its device must all have.")] = ()


class Protection(Settings):
    """How a product's figures are protected."""

    preset: Annotated[
        Literal["", "ons", "15/15"],
        Meta(description="Rule: ons (suppress, k 10, round 5) or 15/15 (15 meters, none above 15 %)."),
    ] = ""
    mode: Annotated[
        Mode | None,
        Meta(
            description="suppress: counts below k are withheld; hold: they wait for the next window;"
            " dp: noise is added; min-sources: a combined figure needs that many devices; else none."
        ),
    ] = None
    k: Annotated[
        Few | None, Meta(description="suppress, hold: the smallest count that may leave; else 5.")
    ] = None
    round: Annotated[
        Few | None,
        Meta(description="suppress, hold, dp: what leaves is a multiple of it; k must be one too."),
    ] = None
    longest: Annotated[
        Longest | None,
        Meta(description="hold: the site's day, week or month, beyond which no count waits; else day."),
    ] = None
    epsilon: Annotated[
        str | float | None,
        Meta(description='dp: loss of privacy for one passage: 0.5, or exactly "1/3"; else 1.'),
    ] = None
    clamp: Annotated[
        bool | None, Meta(description="dp: whether counts below zero are told as zero; sums grow by it.")
    ] = None
    min_sources: Annotated[
        Sources | None, Meta(description="min-sources: devices behind a figure, at least; else 5.")
    ] = None
    max_share: Annotated[
        Part | None, Meta(description="min-sources: largest share of one device in the whole; else 0.5.")
    ] = None


class Product(Settings):
    """What the city lets out: points, how they are aggregated, how they are protected."""

    from_: Annotated[
        tuple[str | Select, ...],
        Meta(description="Points by name, * for any text, or by what they are.", min_length=1),
    ] = field(name="from")
    pipeline: Annotated[str, Meta(description="A shared pipeline that runs before the steps.")] = ""
    steps: Annotated[
        tuple[dict[str, Any], ...], Meta(description="Steps before the window, in their order.")
    ] = ()
    window: Annotated[
        str, Meta(description="Width of the figures: 15m, 1h, or day, week, month of the site.")
    ] = ""
    statistics: Annotated[
        tuple[Statistic, ...], Meta(description="What is computed of each window, in this order.")
    ] = ()
    late: Annotated[
        Duration | None,
        Meta(
            description="Longest wait for late samples; none where each point has spoken since.",
            extra={"most": "1h"},
        ),
    ] = None
    coverage: Annotated[Share | None, Meta(description="Observed share below which a figure is partial.")] = (
        None
    )
    combine: Annotated[
        dict[str, Any] | None,
        Meta(description="One point of many, after the window: its name, and sum or mean."),
    ] = None
    privacy: Annotated[Protection, Meta(description="How its figures are protected.")] = field(
        default_factory=Protection
    )
    title: Annotated[str, Meta(description="Name for people.")] = ""
    model: Annotated[str, Meta(description="Data model that recipients may map it to.")] = ""


class Policy(Settings):
    """Which edition of the sharing policy this is; needed where it has to be signed."""

    city: Annotated[Name, Meta(description="The city that it is for; it holds in no other.")]
    number: Annotated[
        int, Meta(description="Counts up with every edition; an older one never comes back.", ge=1)
    ]


class Owner(Settings):
    """Who decides what leaves."""

    name: Annotated[str, Meta(description="The organisation.", min_length=1)]
    contact: Annotated[str, Meta(description="Where questions go: an address for mail.")] = ""
    dpo: Annotated[str, Meta(description="The data protection officer's address.")] = ""
    max_release_cells: Annotated[
        int,
        Meta(
            description="Into how many figures of a window one protected count may go, over all products"
            " and recipients; 0: any number.",
            ge=0,
        ),
    ] = 0


class Purpose(Settings):
    """What data may be used for."""

    description: Annotated[str, Meta(description="The purpose in a sentence.", min_length=1)]
    iri: Annotated[str, Meta(description="Its identifier in a public vocabulary, such as DPV.")] = ""
    finest: Annotated[
        str, Meta(description="Shortest window that it needs: 15m, 1h, day; finer products are refused.")
    ] = ""
    k: Annotated[
        int, Meta(description="Smallest k that counts must have for it; 0: as the product says.", ge=0)
    ] = 0


class Recipient(Settings):
    """Who receives, over which broker."""

    broker: Annotated[
        str,
        Meta(
            description="mqtts://host[:port], or wss://host[:port][/path] within WebSocket; mqtt:// and ws://"
            " go without encryption; needed unless via is."
        ),
    ] = ""
    via: Annotated[
        str, Meta(description="Another recipient, at whose broker it reads; that broker keeps them apart.")
    ] = ""
    party: Annotated[str, Meta(description="The organisation behind it.")] = ""
    mqtt: Annotated[
        Literal["5", "3.1.1"], Meta(description="Protocol version; in 3.1.1 refusals are invisible.")
    ] = "5"
    client: Annotated[
        Literal["citygate", "aiomqtt"],
        Meta(
            description="What speaks MQTT: the gateway itself, or the library aiomqtt where it is installed."
        ),
    ] = "citygate"
    encoding: Annotated[
        str | dict[str, Any],
        Meta(description='How records are written: a name, or { use = "name", ... } with its settings.'),
    ] = "native"
    proxy: Annotated[str, Meta(description="HTTP proxy on the way to the broker: http://host:port.")] = ""
    proxy_username: Annotated[str, Meta(description="User name there, as text or credential:NAME.")] = ""
    proxy_password: Annotated[str, Meta(description="Password there: always credential:NAME.")] = ""
    username: Annotated[str, Meta(description="User name, as text or credential:NAME.")] = ""
    password: Annotated[str, Meta(description="Always credential:NAME, never the password itself.")] = ""
    ca: Annotated[str, Meta(description="Authority that signs the broker: a file or credential:NAME.")] = ""
    certificate: Annotated[str, Meta(description="Our certificate: a file or credential:NAME.")] = ""
    key: Annotated[str, Meta(description="Key of our certificate: a file or credential:NAME.")] = ""
    client_id: Annotated[
        str, Meta(description="MQTT client identifier; empty: city-site-gateway-recipient.")
    ] = ""
    keepalive: Annotated[
        Duration,
        Meta(
            description="Silence after which the broker is asked for a sign of life.",
            extra={"least": "1s", "most": "1h"},
        ),
    ] = Duration(20)
    rate: Annotated[float, Meta(description="Messages a second at most; 0: no cap.", ge=0)] = 50.0
    on_no_subscriber: Annotated[
        Literal["hold", "deliver"],
        Meta(description="When nobody subscribes: hold the message, or call it delivered."),
    ] = "hold"
    witness: Annotated[bool, Meta(description="Whether it keeps the signed heads of the ledger.")] = False
    commands: Annotated[
        tuple[Verb, ...],
        Meta(
            description="What it may ask of the gateway: replay of what it had already, rebirth of the"
            " descriptions. Empty: nothing."
        ),
    ] = ()


class Grant(Settings):
    """Which products a recipient may have, and on which terms."""

    recipient: Annotated[str, Meta(description="Who receives.")]
    products: Annotated[tuple[str, ...], Meta(description="What they receive.", min_length=1)]
    purpose: Annotated[str, Meta(description="What they may use it for.")]
    keep: Annotated[
        Duration,
        Meta(description="How long they may keep it, and how long it may wait here.", extra={"least": "1m"}),
    ]
    basis: Annotated[Basis, Meta(description="Legal basis (GDPR art. 6); needed for personal points.")] = ""
    until: Annotated[date | None, Meta(description="Last day of the grant, by the site's date.")] = None
    rate: Annotated[
        str,
        Meta(description="How many windows, and how many events, of a product at most: 12/h, 1/15m, 100/d."),
    ] = ""


SINGLE: dict[str, type[Settings]] = {
    "site": Site,
    "clock": Clock,
    "metrics": Metrics,
    "outbox": Outbox,
    "policy": Policy,
    "owner": Owner,
}
NAMED: dict[str, type[Settings]] = {
    "link": LinkHead,
    "device": DeviceHead,
    "pipeline": Pipeline,
    "product": Product,
    "purpose": Purpose,
    "recipient": Recipient,
    "grant": Grant,
}
PURPOSES: dict[str, str] = {
    "operations": "Running and repairing the city's own buildings and services.",
    "planning": "Planning of buildings, traffic and services.",
    "research": "Scientific research.",
    "open-data": "Publication for everybody.",
    "maintenance": "Care for this gateway and its devices.",
    "demo": "A demonstration on one computer.",
}
