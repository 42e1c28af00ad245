"""A whole gateway on many devices: requests, lost values, CPU and memory, beside ThingsBoard's and a floor.

Each row runs `citygate run` with a site, a product of all points and a broker. At the same time, each on a
server of its own that counts what is asked of it, run ThingsBoard's gateway, if `make bench-peers` has
installed it, and a bare loop around pymodbus and aiomqtt, which only reads. What ours read must stand behind
the windows that arrive at the broker, sample for sample; only for readings at the very border of a window
nobody can tell in which of two they count.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from agent.demo.broker import free_port
from bench import _thingsboard
from bench._city import City, of_ours, of_theirs
from bench._devices import REGISTERS, WINDOW, lay
from bench._field import Field, Tally, serving
from bench._report import Figure, show
from bench._site import as_installed, gateway, start, wait_for, warm
from bench.idle_rss import memory

BARE = "bare aiomqtt and pymodbus"
_NEAR = 0.05  # seconds around the border of a window
_LATE = 4.0  # seconds after which a window has arrived
_NOTICED = 2.0  # percent that are missing, not merely on their way
_HELD = 5.0  # percent of the time
_TICK = os.sysconf("SC_CLK_TCK")


class Row(Struct, frozen=True, kw_only=True):
    """One scenario: devices behind one connection or each at a port of its own, and how they answer."""

    name: str
    what: str
    devices: int
    seconds: float
    settle: float = 8.0
    latency: float = 0.0
    dead: int = -1
    apart: bool = False
    peer: bool = True
    bare: bool = False
    cpu: float | None = None
    rss: float | None = None

    @property
    def alive(self) -> list[int]:
        """The units that answer."""
        return [unit for unit in range(1, self.devices + 1) if unit != self.dead]


ROWS = (
    Row(name="ten", what="10 devices", devices=10, seconds=20, bare=True, cpu=2.0, rss=35.0),
    Row(name="fifty", what="50 devices", devices=50, seconds=20, bare=True, cpu=6.0),
    Row(name="slow", what="10 devices, 20 ms a reply", devices=10, seconds=15, latency=0.02),
    Row(
        name="slow_apart", what="50 devices, 20 ms a reply, a link each", devices=50, seconds=15,
        latency=0.02, apart=True, peer=False,
    ),
    Row(
        name="dead", what="10 units, 5 ms a reply, unit 3 dead", devices=10, seconds=38, settle=2.0,
        latency=0.005, dead=3,
    ),
)  # fmt: skip


class Side:
    """One of those who poll: its process, its server, and what is seen of both between two looks."""

    def __init__(self, name: str, field: Field, process: int) -> None:
        self.name = name
        self._field, self._process = field, process
        self.cpu = self.rss = 0.0
        self.before = self.after = Tally()

    def begin(self) -> None:
        """Look for the first time."""
        self.before, self.cpu = self._field.look(), -_spent(self._process)

    def end(self) -> None:
        """Look for the last time."""
        self.after = self._field.look()
        self.cpu = 100 * (self.cpu + _spent(self._process)) / self.span
        self.rss = memory(self._process)["Rss"]

    @property
    def span(self) -> float:
        """Seconds between the two looks."""
        return self.after.at - self.before.at

    @property
    def requests(self) -> float:
        """Requests a second."""
        return (self.after.requests - self.before.requests) / self.span

    @property
    def held(self) -> float:
        """Percent of the time for which a dead unit held a connection."""
        return 100 * (self.after.held - self.before.held) / self.span

    def polls(self, units: Sequence[int]) -> int:
        """Count how often *units* were asked for their first register."""
        return sum(at > self.before.at for unit in units for at in self.after.polls.get(unit, ()))

    def readings(self, unit: int, begin: float, end: float) -> int:
        """Count how often *unit* was read between two UTC seconds."""
        return sum(begin <= at < end for at in self.after.polls.get(unit, ()))

    def missing(self, units: Sequence[int]) -> float:
        """Give the percentage of readings once a second that *units* were not asked for."""
        lost = 0
        for unit in units:
            ats = [at for at in self.after.polls.get(unit, ()) if at > self.before.at]
            seen = pairwise((self.before.at, *ats, self.after.at))
            lost += sum(max(0, round(after - before) - 1) for before, after in seen)
        return 100 * lost / (len(units) * self.span)


def main() -> int:
    """Run the rows, print the table and the lines; 1 if something is not as it must be."""
    lacks = _thingsboard.missing()
    if lacks:
        print(f"{lacks}: our side only, against a {BARE}", flush=True)
    figures: list[Figure] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="citygate-bench-") as name:
        for row in ROWS:
            print(f"{row.what}, {REGISTERS} registers once a second, for {row.seconds:g} s ...", flush=True)
            for fault in _run(row, Path(name), figures, beside=row.peer and not lacks):
                wrong.append(f"{row.what}: {fault}")
                print(wrong[-1], file=sys.stderr, flush=True)
    show(figures)
    return 1 if wrong else 0


def _run(row: Row, folder: Path, figures: list[Figure], *, beside: bool) -> Iterator[str]:
    """Run everybody beside each other; add the figures, and give what is wrong with ours."""
    with ExitStack() as stack:
        broker = free_port()
        start(stack, "agent.demo.broker", "--port", str(broker), "--settings", str(folder / "broker.toml"))
        if row is ROWS[0]:
            with _serving(row) as field:
                warm(lay(folder, _ports(row, field), broker))
        field = stack.enter_context(_serving(row))
        site, city = lay(folder, _ports(row, field), broker), stack.enter_context(of_ours(broker))
        sides = [Side("ours", field, stack.enter_context(gateway(site)).pid)]
        wait_for(site.socket)
        if row.bare:
            field = stack.enter_context(_serving(row))
            words = (str(field.ports[0]), str(broker), str(row.devices), str(REGISTERS))
            bare = start(stack, "bench._bare", *words, environment=as_installed(folder / "compiled"))
            sides.append(Side(BARE, field, bare.pid))
        theirs = City()
        if beside:
            field, port = stack.enter_context(_serving(row)), free_port()
            places = list(zip(_ports(row, field), range(1, row.devices + 1), strict=True))
            room = folder / f"thingsboard-{row.name}"
            peer = stack.enter_context(_thingsboard.running(room, places, REGISTERS, port))
            theirs = stack.enter_context(of_theirs(port))
            sides.append(Side(_thingsboard.NAME, field, peer.pid))
        time.sleep(row.settle)
        for side in sides:
            side.begin()
        values = theirs.values
        time.sleep(row.seconds)
        for side in sides:
            side.end()
        values = theirs.values - values
    if row.dead < 0:
        figures.append(_per_reading(row, sides[0]))
    for side in sides[1:]:
        lost = 100 - 100 * values / (row.devices * REGISTERS * side.span)
        figures += _figures(row, sides[0], side, lost=max(0.0, lost) if side.name != BARE else None)
    yield from _wrong(row, sides[0], city)


def _serving(row: Row) -> AbstractContextManager[Field]:
    return serving(ports=row.devices if row.apart else 1, latency=row.latency, dead=row.dead)


def _ports(row: Row, field: Field) -> list[int]:
    return field.ports if row.apart else field.ports * row.devices


def _figures(row: Row, ours: Side, other: Side, *, lost: float | None) -> list[Figure]:
    """Compare what ours cost with what *other* did; *lost* is what is missing of its values in percent."""
    missing = ours.missing(row.alive)
    found = [
        ("cpu", "CPU", ours.cpu, "%", other.cpu, row.cpu),
        ("rss", "RSS", ours.rss, "MB", other.rss, row.rss),
    ]
    if lost is not None and row.bare:
        found.append(("requests", "requests", ours.requests, "1/s", other.requests, None))
    if lost is not None and lost > _NOTICED:
        found.append(("missing", "values missing", missing, "%", lost, 0.0 if row.dead < 0 else 5.0))
    if row.dead > 0 and other.held:
        found.append(("held", "held by the dead unit", ours.held, "% of the time", other.held, 5.0))
    return [
        Figure(
            name=f"modbus_beside.{row.name}.{word}", what=f"{row.what}: {what}", value=value, unit=unit,
            against=other.name, floor=floor, aim=aim,
        )
        for word, what, value, unit, floor, aim in found
    ]  # fmt: skip


def _per_reading(row: Row, ours: Side) -> Figure:
    """Give how many requests read a device."""
    asked = ours.after.requests - ours.before.requests
    return Figure(
        name=f"modbus_beside.bus.{row.name}", what=f"{row.what}: requests for a reading",
        value=asked / ours.polls(row.alive), unit="requests", against="optimum", floor=1.0,
    )  # fmt: skip


def _wrong(row: Row, ours: Side, city: City) -> Iterator[str]:
    """Tell what a slow computer does not excuse."""
    links, after = row.devices if row.apart else 1, ours.after
    if after.connections != links:
        yield f"{after.connections} connections for {links} links"
    if row.dead < 0 and after.requests * REGISTERS != after.registers:
        yield f"{after.requests} requests for {after.registers} registers"
    missing, allowed = ours.missing(row.alive), 5.0 if row.dead > 0 else 0.0
    if missing > allowed:
        yield f"{missing:.1f} % of the readings are missing"
    if ours.held > _HELD:
        yield f"the dead unit held the link for {ours.held:.1f} % of the time"
    inside = [at for at in sorted(city.windows) if ours.before.at <= at and at + WINDOW + _LATE <= after.at]
    if not inside:
        yield "no whole window arrived"
    for at in inside:
        for unit in row.alive:
            least = ours.readings(unit, at + _NEAR, at + WINDOW - _NEAR)
            most = ours.readings(unit, at - _NEAR, at + WINDOW + _NEAR)
            counted = [city.windows[at][f"d{unit}.r{addr}"] for addr in range(REGISTERS)]
            if not least <= min(counted) <= max(counted) <= most:
                yield f"unit {unit}: {least} to {most} readings, {min(counted)} to {max(counted)} counted"


def _spent(process: int) -> float:
    """Give the CPU seconds of *process*."""
    words = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICK


if __name__ == "__main__":
    raise SystemExit(main())
