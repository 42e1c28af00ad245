"""The messages of the native format as closed structs: the one place where its fields are named.

No field here can carry an image, a box, a track, a plate or a hardware address: texts are short and follow
patterns, rows are numbers beside a point's name, and unknown fields are refused.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.json import Decoder

Rows = TypeVar("Rows")

PointName = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_.-]{0,190}$", description="Name of a point.")]
Level = Annotated[str, Meta(pattern="^[a-z0-9-]{1,64}$", description="A level of a topic.")]
Word = Annotated[str, Meta(pattern="^[a-z0-9_]{1,32}$", description="A word of an open list.")]
RouteWord = Annotated[str, Meta(pattern="^[a-z]{1,16}(:0x[0-9a-f]{2})?$")]
Utc = Annotated[
    str,
    Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$", description="UTC, ISO 8601."),
]
Policy = Annotated[str, Meta(pattern="^[0-9a-z-]{1,64}$", description="Which sharing policy was in force.")]
Lid = Annotated[
    str, Meta(pattern="^[0-9a-z-]{1,36}$", description="Id of the outbox; a new one: forget all numbering.")
]
BootId = Annotated[str, Meta(pattern="^[0-9a-z-]{0,36}$", description="Which start of the computer.")]
Unit = Annotated[str, Meta(max_length=32, description="Unit as a UCUM code.")]
Short = Annotated[str, Meta(max_length=80)]
StateNumber = Annotated[str, Meta(pattern=r"^-?\d{1,9}$", description="Number of a state.")]
Epoch = Annotated[int, Meta(ge=0, description="Number of the gateway's run.")]
Seq = Annotated[int, Meta(ge=0, description="Number of the message in its route and epoch, from 1.")]
Number = Annotated[int, Meta(ge=0)]
Ratio = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[int | float, Meta(description="Length of the window in seconds.")]
Columns = Annotated[
    list[Word],
    Meta(
        min_length=2,
        max_length=9,
        description="What stands in each row: p point, n samples behind it, and statistics.",
    ),
]
Version = Annotated[Literal[1], Meta(description="Major version of the format.")]


class Closed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A struct that refuses fields it does not know."""


class Mark(Closed, frozen=True, kw_only=True):
    """Why a row is not simply ok; a point without a mark is."""

    q: Annotated[Word, Meta(description="suppressed, no_data, partial or uncertain.")]
    cov: Annotated[float, Meta(ge=0, le=1, description="Share of the window observed.")] | UnsetType = UNSET
    why: Word | UnsetType = UNSET


class Batch(Closed, Generic[Rows], frozen=True, kw_only=True):
    """Figures of one product for one window."""

    v: Version = 1
    k: Literal["batch"] = "batch"
    e: Epoch
    s: Seq
    t: Annotated[Utc, Meta(description="Start of the window.")]
    w: Seconds
    c: Columns
    r: Rows
    x: Annotated[dict[PointName, Mark], Meta(description="Marks of rows.")] | UnsetType = UNSET
    tq: Annotated[Word, Meta(description="unsynced: t is a guess.")] | UnsetType = UNSET
    bt: Annotated[float, Meta(description="t in seconds since boot.")] | UnsetType = UNSET
    boot: BootId | UnsetType = UNSET


class Figure(Closed, frozen=True, kw_only=True):
    """The figures of one point for one window, where each point is a message of its own."""

    v: Version = 1
    k: Literal["figure"] = "figure"
    e: Epoch
    s: Seq
    t: Annotated[Utc, Meta(description="Start of the window.")]
    w: Seconds
    p: PointName
    n: Annotated[Number | None, Meta(description="Samples behind it; null: withheld.")]
    f: Annotated[
        dict[Word, int | float | None],
        Meta(min_length=1, max_length=8, description="Statistic: value; null: none, or withheld."),
    ]
    x: Annotated[Mark, Meta(description="Why it is not simply ok.")] | UnsetType = UNSET
    tq: Annotated[Word, Meta(description="unsynced: t is a guess.")] | UnsetType = UNSET
    bt: Annotated[float, Meta(description="t in seconds since boot.")] | UnsetType = UNSET
    boot: BootId | UnsetType = UNSET


class Happening(Closed, frozen=True, kw_only=True):
    """Something that happened at a point."""

    v: Version = 1
    k: Literal["event"] = "event"
    e: Epoch
    s: Seq
    t: Annotated[Utc, Meta(description="When; no finer than the product's window.")]
    p: PointName
    ev: Annotated[Word, Meta(description="Kind of event.")]
    sev: Annotated[Word, Meta(description="Severity.")]
    val: Annotated[int | float | None, Meta(description="Value that led to it, if it is a number.")]
    u: Unit
    text: Annotated[str, Meta(max_length=200, description="A sentence for people.")]
    tq: Annotated[Word, Meta(description="unsynced: t is a guess.")] | UnsetType = UNSET
    bt: Annotated[float, Meta(description="t in seconds since boot.")] | UnsetType = UNSET
    boot: BootId | UnsetType = UNSET


class Lost(Closed, frozen=True, kw_only=True):
    """A stretch of messages that will never come."""

    why: Annotated[Word, Meta(description="cap, ttl, refused, crash or clock.")]
    e: Epoch
    first: Seq = field(name="from")
    to: Annotated[Seq | None, Meta(description="Last number; null: none was ever given.")]
    n: Annotated[Number | None, Meta(description="How many of from..to are lost; null: unknown.")]
    t: Annotated[tuple[Utc, Utc] | None, Meta(description="From when to when.")]


class Gap(Closed, frozen=True, kw_only=True):
    """Declares losses."""

    v: Version = 1
    k: Literal["gap"] = "gap"
    e: Epoch
    s: Seq
    lost: Annotated[list[Lost], Meta(min_length=1)]


class Before(Closed, frozen=True, kw_only=True):
    """How the epoch before ended on this route."""

    e: Epoch
    last: Annotated[Seq, Meta(description="Its last message; 0: it sent none.")]
    clean: bool


class Start(Closed, frozen=True, kw_only=True):
    """Opens an epoch on a route."""

    v: Version = 1
    k: Literal["start"] = "start"
    e: Epoch
    s: Seq
    prev: Annotated[Before | None, Meta(description="null: the route is new.")]
    policy: Policy


class Time(Closed, frozen=True, kw_only=True):
    """Dates what was sent without a synchronised clock: UTC = bt + offset."""

    v: Version = 1
    k: Literal["time"] = "time"
    e: Epoch
    s: Seq
    boot: BootId
    offset: Annotated[float, Meta(description="UTC seconds since 1970 minus seconds since boot.")]


class Waiting(Closed, frozen=True, kw_only=True):
    """What this recipient still has to get."""

    n: Number
    oldest: Utc | None
    bytes: Number
    cap: Number


class Health(Closed, frozen=True, kw_only=True):
    """How the gateway does, as far as this recipient may know."""

    v: Version = 1
    k: Literal["status"] = "status"
    state: Annotated[Word, Meta(description="online, degraded or stopping.")]
    lid: Lid
    e: Epoch
    policy: Policy
    outbox: Waiting
    routes: Annotated[dict[Level, RouteWord], Meta(description="Product: ok, held, refused:0xNN or expired.")]
    clock: Word
    sw: Annotated[str, Meta(max_length=64, description="Version of the software.")]
    acl: (
        Annotated[
            list[Annotated[str, Meta(max_length=400)]],
            Meta(description="Lines of the access list that should hold here now: a reader's grant ended."),
        ]
        | UnsetType
    ) = UNSET


class Offline(Closed, frozen=True, kw_only=True):
    """The gateway is not there: its last will, or its last word when stopped."""

    v: Version = 1
    k: Literal["status"] = "status"
    state: Literal["offline"] = "offline"
    lid: Lid
    e: Epoch


class Protection(Closed, frozen=True, kw_only=True):
    """How figures are protected."""

    mode: Word
    k: Annotated[Number, Meta(description="No count below it leaves.")] | UnsetType = UNSET
    round: Annotated[Number, Meta(description="Figures are multiples of it.")] | UnsetType = UNSET
    longest: Annotated[Word, Meta(description="day, week or month: no cell crosses its end.")] | UnsetType = (
        UNSET
    )
    eps: (
        Annotated[str, Meta(pattern=r"^\d+(/\d+)?$", description="Epsilon for one passage, exactly.")]
        | UnsetType
    ) = UNSET
    sens: (
        Annotated[Number, Meta(description="How far one passage changes a window; noise: sens/eps.")]
        | UnsetType
    ) = UNSET
    clamp: Annotated[bool, Meta(description="Negative figures are told as zero.")] | UnsetType = UNSET
    sources: Annotated[Number, Meta(description="Devices behind each figure, at least.")] | UnsetType = UNSET
    share: Annotated[float, Meta(ge=0, le=1, description="Largest share of one device.")] | UnsetType = UNSET


class About(Closed, frozen=True, kw_only=True):
    """What a point is."""

    u: Unit
    kind: Word
    prop: Annotated[Short, Meta(description="What is measured.")] | UnsetType = UNSET
    loc: Annotated[tuple[float, float], Meta(description="Longitude, latitude (WGS 84).")] | UnsetType = UNSET
    method: Annotated[Short, Meta(description="How it is measured.")] | UnsetType = UNSET
    acc: (
        Annotated[
            tuple[Ratio, Ratio, Ratio, Number],
            Meta(
                description="How right counts are: share of passages, its 95 % interval from and to, and how"
                " many passages a person counted for it, in tens."
            ),
        ]
        | UnsetType
    ) = UNSET
    alias: Annotated[list[Short], Meta(description="Other names.")] | UnsetType = UNSET
    states: (
        Annotated[dict[StateNumber, Short], Meta(description="What the numbers of a state mean.")] | UnsetType
    ) = UNSET


Act = Annotated[str, Meta(pattern="^[a-z0-9:/._-]{1,32}$", description="Name of an attempt to get out.")]


class Cage(Closed, frozen=True, kw_only=True):
    """What the process that sees a camera's pictures has proven before it looked at one."""

    v: Annotated[Number, Meta(description="Version of the list of attempts.")]
    refused: Annotated[list[Act], Meta(max_length=64, description="Attempts to get out that failed.")]
    worked: (
        Annotated[list[Act], Meta(max_length=64, description="Those that did not: development only.")]
        | UnsetType
    ) = UNSET
    dev: Annotated[bool, Meta(description="A person allowed it to go on with holes.")] | UnsetType = UNSET
    model: Annotated[Short, Meta(description="Name of the model that looks.")]
    sha256: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$", description="SHA-256 of that model.")]


class Birth(Closed, frozen=True, kw_only=True):
    """Describes what comes on a route."""

    v: Version = 1
    k: Literal["birth"] = "birth"
    lid: Lid
    e: Epoch
    product: Level
    model: Short | UnsetType = UNSET
    w: Seconds
    privacy: Protection
    cages: (
        Annotated[dict[Level, Cage], Meta(description="By camera: what was proven of its cage.")] | UnsetType
    ) = UNSET
    points: dict[PointName, About]
    schema: Annotated[str, Meta(pattern=r"^citygate-1\.\d+#[0-9a-f]{12}$")]
    policy: Policy
    part: (
        Annotated[tuple[Number, Number], Meta(description="Which part this is, and of how many.")] | UnsetType
    ) = UNSET


class Tip(Closed, frozen=True, kw_only=True):
    """The signed head of the ledger."""

    v: Version = 1
    k: Literal["head"] = "head"
    lid: Lid
    id: Number
    hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    t: Utc
    policy: Policy
    key: (
        Annotated[str, Meta(max_length=64, description="Public key (Ed25519) that signs, in Base64.")]
        | UnsetType
    ) = UNSET
    sig: Annotated[
        str, Meta(max_length=128, description="Base64 of the signature over this body without this field.")
    ]


Exact = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
Stretches = Annotated[list[tuple[Seq, Seq]], Meta(description="Numbers, from and to.")]


class Wish(Closed, frozen=True, kw_only=True):
    """Asks to have messages sent once more; it comes from outside."""

    v: Version
    k: Literal["replay"]
    lid: Lid
    product: Level
    e: Exact
    first: Exact = field(name="from")
    to: Exact


class Rebirth(Closed, frozen=True, kw_only=True):
    """Asks to have births and status told anew; it comes from outside."""

    v: Version
    k: Literal["rebirth"]


class Part(Closed, frozen=True, kw_only=True):
    """Which messages a replay is about."""

    product: Level
    e: Epoch
    first: Seq = field(name="from")
    to: Seq


class Reply(Closed, frozen=True, kw_only=True):
    """What became of a command."""

    v: Version = 1
    k: Literal["answer"] = "answer"
    e: Epoch
    s: Annotated[int, Meta(ge=0, description="Number of the message among answers, from 1.")]
    re: Annotated[Word, Meta(description="replay or rebirth.")]
    is_: Annotated[Word, Meta(description="begun, done, refused or stopped.")] = field(name="is")
    why: Annotated[Word, Meta(description="Why it was refused or stopped.")] | UnsetType = UNSET
    text: Annotated[str, Meta(max_length=200, description="The same for people.")] | UnsetType = UNSET
    of: Part | UnsetType = UNSET
    n: Annotated[Number, Meta(description="Messages sent again.")] | UnsetType = UNSET
    gone: (
        Annotated[Stretches, Meta(description="What cannot come any more: it is not kept, or never was.")]
        | UnsetType
    ) = UNSET
    waits: (
        Annotated[Stretches, Meta(description="What comes by itself: it was not delivered yet.")] | UnsetType
    ) = UNSET


Body = Batch[Any] | Figure | Happening | Gap | Start | Time | Health | Offline | Birth | Tip | Reply
OUT: Final = (Batch[Any], Figure, Happening, Gap, Start, Time, Health, Offline, Birth, Tip, Reply)
KINDS: Final = (*OUT, Wish, Rebirth)


@cache
def checker(kind: type[Any], columns: int = 0) -> Decoder[Any]:
    """Give the strict reader of *kind*; a batch's rows are a name and *columns* - 1 numbers."""
    if kind is not Batch:
        return Decoder(kind)
    cells = (PointName, *(int | float | None for _ in range(columns - 1)))
    row: Any = tuple.__class_getitem__(cells)
    rows: Any = list.__class_getitem__(row)
    return Decoder(Batch[rows])
