"""A whole gateway on many devices: requests, lost values, CPU and memory, beside ThingsBoard's and a floor.

Each row runs `citygate run` with a site, products of all points and a broker. At the same time, each on a
server of its own that counts what is asked of it, run ThingsBoard's gateway, if `make bench-peers` has
installed it, and a bare loop around pymodbus and aiomqtt, which only reads. What ours read must stand behind
the windows that arrive at the broker, sample for sample; only for readings at the very border of a window
nobody can tell in which of two they count.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from agent.demo.broker import free_port
from bench import _thingsboard
from bench._city import City
from bench._devices import REGISTERS, WINDOW, lay
from bench._report import Figure, show
from bench._sides import BARE, Row, Side, bare, ours, thingsboard
from bench._site import start, warm

_NEAR = 0.05  # seconds around the border of a window
_LATE = 4.0  # seconds after which a window has arrived
_NOTICED = 2.0  # percent that are missing, not merely on their way
_STALL = 1.0  # percent of the readings that a computer may miss that stands still for a moment
_DEAD = 5.0  # percent: what the living may miss, and the dead may hold of the time
_TIMEOUT = 3.0

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


def main() -> int:
    """Run the rows, print the table and the lines; 1 if something is not as it must be."""
    lacks = _thingsboard.missing()
    if lacks:
        print(f"{lacks}: our side only, against a {BARE}", flush=True)
    figures: list[Figure] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="citygate-bench-") as name:
        folder = Path(name)
        _compile(folder)
        for row in ROWS:
            print(f"{row.what}, {REGISTERS} registers once a second, for {row.seconds:g} s ...", flush=True)
            found, faults = _run(row, folder, beside=row.peer and not lacks)
            figures += found
            wrong += [f"{row.what}: {fault}" for fault in faults]
    show(figures)
    for one in wrong:
        print(one, file=sys.stderr)
    return 1 if wrong else 0


def _compile(folder: Path) -> None:
    """Let a first gateway compile all modules."""
    with ROWS[0].serving() as field:
        warm(lay(folder, ROWS[0].ports(field), free_port()))


def _run(row: Row, folder: Path, *, beside: bool) -> tuple[list[Figure], list[str]]:
    """Run everybody beside each other; give the figures, and what is wrong with ours."""
    with ExitStack() as stack:
        broker = free_port()
        start(stack, "agent.demo.broker", "--port", str(broker), "--settings", str(folder / "broker.toml"))
        sides = [ours(stack, row, folder, broker)]
        sides += [bare(stack, row, folder, broker)] if row.bare else []
        sides += [thingsboard(stack, row, folder)] if beside else []
        time.sleep(row.settle)
        for side in sides:
            side.begin()
        time.sleep(row.seconds)
        for side in sides:
            side.end()
    own, *others = sides
    assert own.city is not None
    figures = [*_alone(row, own), *(one for other in others for one in _beside(row, own, other))]
    return figures, list(_wrong(row, own, own.city))


def _alone(row: Row, own: Side) -> Iterator[Figure]:
    """Compare ours with what can be computed."""
    if row.dead < 0:
        asked = own.after.requests - own.before.requests
        yield Figure(
            name=f"modbus_beside.bus.{row.name}", what=f"{row.what}: requests for a reading",
            value=asked / own.polls(row.alive), unit="requests", against="optimum", floor=1.0,
        )  # fmt: skip
    else:
        share = 100 * _TIMEOUT / (_TIMEOUT + len(row.alive) * row.latency)
        yield Figure(
            name=f"modbus_beside.{row.name}.held", what=f"{row.what}: held by it", value=own.held, aim=_DEAD,
            unit="% of the time", against=f"waiting {_TIMEOUT:g} s at each poll, computed", floor=share,
        )  # fmt: skip


def _beside(row: Row, own: Side, other: Side) -> Iterator[Figure]:
    """Compare what ours cost, and missed, with what *other* did."""
    found = [
        ("cpu", "CPU", own.cpu, "%", other.cpu, row.cpu),
        ("rss", "RSS", own.rss, "MB", other.rss, row.rss),
    ]
    if other.city is not None:
        if row.bare:
            found.append(("requests", "requests", own.requests, "1/s", other.requests, None))
        lost = 100 - 100 * other.values / (row.devices * REGISTERS * other.span)
        if lost > _NOTICED:
            found.append(("missing", "values missing", own.missing(row.alive), "%", lost, None))
        if other.held:
            found.append(("held", "held by it", own.held, "% of the time", other.held, _DEAD))
    for word, what, value, unit, floor, aim in found:
        yield Figure(
            name=f"modbus_beside.{row.name}.{word}", what=f"{row.what}: {what}", value=value, unit=unit,
            against=other.name, floor=floor, aim=aim,
        )  # fmt: skip


def _wrong(row: Row, own: Side, city: City) -> Iterator[str]:
    """Tell what a slow computer does not excuse."""
    links, after = row.devices if row.apart else 1, own.after
    if after.connections != links:
        yield f"{after.connections} connections for {links} links"
    if row.dead < 0 and after.requests * REGISTERS != after.registers:
        yield f"{after.requests} requests for {after.registers} registers"
    missing = own.missing(row.alive)
    if missing > (_DEAD if row.dead > 0 else _STALL):
        yield f"{missing:.1f} % of the readings are missing"
    if own.held > _DEAD:
        yield f"the dead unit held the link for {own.held:.1f} % of the time"
    inside = [at for at in sorted(city.windows) if own.before.at <= at and at + WINDOW + _LATE <= after.at]
    if not inside:
        yield "no whole window arrived"
    for at in inside:
        for unit in row.alive:
            least = own.readings(unit, at + _NEAR, at + WINDOW - _NEAR)
            most = own.readings(unit, at - _NEAR, at + WINDOW + _NEAR)
            counted = [city.windows[at][f"d{unit}.r{addr}"] for addr in range(REGISTERS)]
            if not least <= min(counted) <= max(counted) <= most:
                yield f"unit {unit}: {least} to {most} readings, {min(counted)} to {max(counted)} counted"


if __name__ == "__main__":
    raise SystemExit(main())
