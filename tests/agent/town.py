"""A town for tests of all between drivers and brokers: files, gate, outbox on disk, brokers that come and go.

What a policy may let out is judged by what was drawn, never by what the compiler made of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from agent.config.load import load
from agent.core.errors import ConfigError
from agent.core.message import Encoding
from agent.core.plan import Plan
from agent.core.sample import Quality, Sample
from agent.flow import Flow
from agent.outbox.outbox import Outbox
from agent.outbox.row import Row
from agent.registry import encoder
from tests.agent.outbox.scenes import TurnedClock
from tests.virtual import START

ZONE: Final = ZoneInfo("Europe/Helsinki")
TODAY: Final = datetime.fromtimestamp(START, ZONE).date()
PARTIES: Final = {"city": "City", "office": "City", "lab": "University"}
SECONDS: Final = {"1m": 60.0, "5m": 300.0, "15m": 900.0, "1h": 3600.0}
RATES: Final = {"1/h": (1, 3600.0), "4/h": (4, 3600.0), "3/30m": (3, 1800.0), "60/h": (60, 3600.0)}
KEEPS: Final = {"10m": 600.0, "3h": 10800.0, "2d": 172800.0}
FINEST: Final = 900.0
LEAST_K: Final = 10
FLATS: Final = tuple(f"flat-{n}.energy" for n in range(1, 7))
PEOPLE: Final = ("square.gate.person_to_left", "square.gate.person_to_right")
DOORS: Final = ("door.in", "door.out")
BOILER: Final = "boiler.heat"
_FLAT: Final = """
[device.flat-{n}]
link = "cellar"
unit = {n}
every = "1m"
[device.flat-{n}.points]
energy = {{ addr = 3, type = "u32", kind = "counter", scope = "household", unit = "kW.h" }}
"""
SITE: Final = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
timezone = "Europe/Helsinki"

[link.counter]
driver = "modbus-tcp"
host = "10.20.0.31"
[device.door]
link = "counter"
every = "1m"
[device.door.points]
in = { addr = 0, type = "u16", kind = "count", scope = "public" }
out = { addr = 1, type = "u16", kind = "count", scope = "public" }

[link.square]
driver = "camera"
source = "rtsp://10.30.0.7/stream2"
model = "nanodet-g"
[link.square.lines.gate]
from = [0.49, 0.21]
to = [0.49, 0.83]
classes = ["person"]

[link.cellar]
driver = "modbus-tcp"
host = "10.20.0.40"
[device.boiler]
link = "cellar"
unit = 9
every = "1m"
[device.boiler.points]
heat = { addr = 7, type = "u16", unit = "Cel" }
""" + "".join(_FLAT.format(n=n) for n in range(1, 7))
_PURPOSE: Final = f"""
[purpose.study]
description = "A study."
finest = "15m"
k = {LEAST_K}
"""
_COMBINE: Final = 'combine = { name = "flats.energy" }\n'


Figure = tuple[str, float | None, int | None, float]
"""Point, value, number of samples and width."""


class Product(Struct, frozen=True):
    """What is computed: which points (a pattern), in which windows, protected how."""

    wish: str
    window: str
    mode: str
    k: int

    def toml(self, name: str) -> str:
        """Write it down."""
        if self.mode == "events":
            return (
                f'\n[product.{name}]\nfrom = ["{self.wish}"]\nsteps = [{{ use = "threshold", above = 50 }}]\n'
            )
        flats = self.wish.startswith("flat")
        privacy = f'mode = "{self.mode}"' + (f", k = {self.k}" if self.mode in ("suppress", "hold") else "")
        return (
            f'\n[product.{name}]\nfrom = ["{self.wish}"]\nwindow = "{self.window}"\n'
            f'statistics = ["{"delta" if flats else "sum"}"]\nprivacy = {{ {privacy} }}\n'
            + (_COMBINE if self.mode == "min-sources" else "")
        )

    def points(self) -> list[str]:
        """List the points behind it."""
        head, _, _ = self.wish.partition("*")
        return [one for one in (*DOORS, *PEOPLE, *FLATS, BOILER) if one.startswith(head)]


class Grant(Struct, frozen=True):
    """Who gets which product, for what, for how many days more, how long it may be kept, and how often."""

    recipient: str
    product: str
    purpose: str
    basis: bool
    days: int | None
    keep: str
    rate: str = ""

    @property
    def until(self) -> date | None:
        """The last day."""
        return None if self.days is None else TODAY + timedelta(days=self.days)

    def toml(self, name: str) -> str:
        """Write it down."""
        lines = [f'\n[grant.{name}]\nrecipient = "{self.recipient}"\nproducts = ["{self.product}"]']
        lines += [f'purpose = "{self.purpose}"\nkeep = "{self.keep}"']
        lines += ['basis = "public-task"'] if self.basis else []
        lines += [f"until = {self.until}"] if self.until else []
        lines += [f'rate = "{self.rate}"'] if self.rate else []
        return "\n".join([*lines, ""])


class Policy(Struct, frozen=True):
    """What a city decides."""

    products: dict[str, Product]
    grants: tuple[Grant, ...]

    def toml(self) -> str:
        """Write it down; brokers are apart, so that only a party binds two recipients."""
        parts = [_PURPOSE, *(one.toml(name) for name, one in self.products.items())]
        for n, (name, party) in enumerate(PARTIES.items()):
            parts.append(f'\n[recipient.{name}]\nbroker = "mqtts://b{n}.example"\nparty = "{party}"\n')
        parts += [one.toml(f"g{n}") for n, one in enumerate(self.grants)]
        return "".join(parts)

    def grant(self, recipient: str, product: str) -> Grant | None:
        """Give the grant by which *recipient* gets *product*."""
        found = (one for one in self.grants if (one.recipient, one.product) == (recipient, product))
        return next(found, None)


class Left(Struct, frozen=True):
    """A message that left, when, and the policy that was in force then."""

    row: Row
    at: float
    force: Policy | None


class Town:
    """One gateway in one folder, over several runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = TurnedClock(START)
        self.left: list[Left] = []
        self.refused = 0
        self.alone: list[tuple[float, float]] = []  # when fewer homes were heard than may be told of
        self.policies: dict[str, Policy] = {}
        self.force: Policy | None = None
        self._plan: Plan | None = None
        self._meters = dict.fromkeys(FLATS, 1000.0)
        (folder / "site.toml").write_text(SITE, "utf-8")

    async def start(self) -> None:
        """Open the outbox and begin."""
        self.outbox = await Outbox.open(
            self.folder, cap=8 << 20, keep=30 * 86400.0, clock=self.clock, boxed=False
        )
        self.flow = Flow(self.outbox)
        self.flow.open = True
        if self._plan is not None:
            plan, self._plan = self._plan, None
            self._apply(plan)

    async def decide(self, policy: Policy) -> None:
        """Write *policy* down and reload, as the gateway does: a faulty one leaves the old one in force."""
        (self.folder / "sharing.toml").write_text(policy.toml(), "utf-8")
        try:
            plan = load(self.folder, today=self._today())
        except ConfigError:
            self.refused += 1
            return
        self.policies[plan.policy] = self.force = policy
        self._apply(plan)

    def minute(self, counts: Mapping[str, float], *, heard: int = len(FLATS)) -> None:
        """Let a minute pass in which each point is read once; of the homes, so many are *heard*."""
        self.clock.turn(30.0)
        names = (*DOORS, *PEOPLE, BOILER)
        samples = [Sample(name, counts.get(name, 0.0), self.clock.at) for name in names]
        for n, name in enumerate(FLATS):
            self._meters[name] += counts.get(name, 0.25)
            if n < heard:
                samples.append(Sample(name, self._meters[name], self.clock.at))
            else:
                samples.append(Sample(name, None, self.clock.at, Quality.BAD, "no_reply"))
        self.flow.feed(samples, self.clock.now())
        self.clock.turn(30.0)
        self.flow.tick(self.clock.now())

    def later(self, seconds: float) -> None:
        """Let time pass without a reading."""
        self.clock.turn(seconds)
        self.flow.tick(self.clock.now())

    async def house(self) -> None:
        """Do what the outbox does once a second and once a minute."""
        await self.outbox.tend()

    async def deliver(self, recipient: str) -> None:
        """Let the broker of *recipient* be there for a moment."""
        feed = self.outbox.feed(recipient)
        feed.online(True)
        while rows := await feed.take(20, 20):
            for row in rows:
                self.left.append(Left(row, self.clock.utc, self.force))
                feed.acked(row)
        feed.online(False)

    async def stop(self, *, clean: bool) -> None:
        """End in order, or as a crash does."""
        if clean:
            self.flow.end(list(self.flow.works), stopping=True)
            await self.outbox.close()
        else:
            self.outbox._store.abandon()

    def _apply(self, plan: Plan) -> None:
        now, old = self.clock.now(), self._plan
        before = {one.id: one for one in old.products} if old else {}
        after = {one.id: one for one in plan.products}
        self.flow.end([name for name, one in before.items() if after.get(name) != one])
        encodings: dict[str, Encoding] = {one.name: encoder(one, plan.place) for one in plan.recipients}
        self.outbox.configure(plan, encodings)
        self.flow.configure(plan)
        self.flow.begin([one for name, one in after.items() if before.get(name) != one], now)
        self._plan = plan

    def _today(self) -> date:
        return datetime.fromtimestamp(self.clock.utc, ZONE).date()


def judge(town: Town) -> None:
    """Hold everything that left against what was decided."""
    heard: dict[tuple[str, str, str], str] = {}
    told: dict[tuple[str, str, int], set[object]] = {}
    for one in town.left:
        row = one.row
        recipient, _, product = row.route.partition(".")
        if row.kind not in ("batch", "event"):
            continue
        policy = town.policies[row.policy]
        grant = policy.grant(recipient, product)
        assert grant is not None, "nothing leaves outside a grant"
        still = one.force.grant(recipient, product) if one.force else None
        assert still is not None, "nothing leaves by a grant that was taken back"
        for bound in (grant, still):
            assert one.at <= row.made + KEEPS[bound.keep], "nothing leaves past its retention"
            assert one.at < _end(bound), "nothing leaves after the last day"
        assert row.expires <= row.made + KEEPS[grant.keep], "nobody is told that it may be kept longer"
        made = policy.products[product]
        if grant.rate:
            most, period = RATES[grant.rate]
            at, what = (row.made, (row.epoch, row.seq)) if row.kind == "event" else (start(row), start(row))
            seen = told.setdefault((row.route + row.kind, grant.rate, int(at // period)), set())
            seen.add(what)
            assert len(seen) <= most, "nothing leaves more often than its grant says"
        if row.kind == "event":
            assert made.mode == "events"
            continue
        for figure in figures(row):
            _judge_figure(made, grant, figure)
            if figure[0] == "flats.energy" and figure[1] is not None:
                begun = start(row)
                lonely = any(a <= begun and begun + figure[3] <= b for a, b in town.alone)
                assert not lonely, "nothing is told of fewer homes than are needed"
            name = figure[0]
            if made.mode != "none":
                known = heard.setdefault((row.policy, PARTIES[recipient], name), product)
                assert known == product, "nobody hears a protected count in two ways"


def figures(row: Row) -> list[Figure]:
    """Give each figure in a message."""
    body: dict[str, Any] = json.loads(row.body)
    return [(name, value, n, float(body["w"])) for name, n, value in body["r"]]


def start(row: Row) -> float:
    """Give the UTC second at which the window of a message begins."""
    return datetime.fromisoformat(json.loads(row.body)["t"]).timestamp()


def _judge_figure(made: Product, grant: Grant, figure: Figure) -> None:
    name, value, n, width = figure
    assert width >= SECONDS[made.window], "nothing is finer than its product"
    if grant.purpose == "study":
        assert width >= FINEST, "nothing is finer than its purpose"
    if name in PEOPLE:
        assert made.mode in ("suppress", "hold", "dp"), "people are protected"
        assert width >= 300.0
    assert name not in FLATS, "no home leaves alone"
    if name in (*PEOPLE, *FLATS, "flats.energy"):
        assert grant.basis, "a legal basis is named"
    match made.mode:
        case "suppress" | "hold":
            least = max(made.k, LEAST_K if grant.purpose == "study" else 0)
            assert value is None or value >= least, "nothing is below k"
            assert value is not None or not n, "nor does the number of samples tell it"
        case "dp":
            assert n is None or (value is None and not n), "a device that told nothing"
        case "min-sources":
            assert value is None or value > 0
        case _:
            assert name in DOORS


def _end(grant: Grant) -> float:
    if grant.until is None:
        return float("inf")
    return datetime.combine(grant.until + timedelta(days=1), time(), ZONE).timestamp()


def unsent(folder: Path, recipient: str, now: float) -> Sequence[tuple[int, float]]:
    """Give the bodies on disk that *recipient* never took although their time is over."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(folder / "outbox.db")) as db:
        found: list[tuple[int, float]] = db.execute(
            "SELECT row.id, expires FROM row JOIN route ON route.number = row.route"
            " WHERE route.name LIKE ? AND kind IN ('batch', 'event') AND body IS NOT NULL AND expires <= ?",
            (f"{recipient}.%", now),
        ).fetchall()
    return found
