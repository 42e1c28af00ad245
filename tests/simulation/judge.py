"""What must hold after every simulation, whatever happened in it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from agent.gateway import Gateway
from agent.outbox.verdict import verify
from tests.simulation.books import Books, Route, Row
from tests.simulation.meters import BAND
from tests.simulation.site import SHARES
from tests.simulation.world import CAP, Simulation
from tests.virtual import START

_LOG: Final = 8 << 20  # bytes that SQLite's log may hold beside the file
_LEAST_SHOWN: Final = 5
_SLACK: Final = 25.0  # seconds that a reply may have been under way


def judge(world: Simulation) -> list[str]:
    """List what is wrong; empty when all is well."""
    found = list(world.faults)
    if max(world.sizes, default=0) > CAP + _LOG:
        found.append(f"the outbox' files grew to {max(world.sizes)} bytes")
    found += verify(world.disk.folder / "outbox.db").faults
    for books in world.books.values():
        found += _of_books(books, world)
    return found


def settled(world: Simulation) -> Iterator[str]:
    """Tell what has not recovered, after all has been well for a while."""
    assert world.daemon is not None
    gateway = world.daemon.gateway
    assert gateway is not None
    for name in gateway.uplinks:
        yield from _not_delivering(name, gateway)
    for device in gateway.health.devices:
        if device.state != "ok":
            yield f"device {device.name} is {device.state}"
    if gateway.outbox.trouble:
        yield f"the outbox still says {gateway.outbox.trouble}"
    if hanging := gateway.watchdog.hanging(world.clock.boot()):
        yield f"the watchdog waits for {', '.join(hanging)}"
    for end in gateway.supervisor.lives.values():
        if end.state != "running":
            yield f"{end.name} is {end.state}"


def _not_delivering(name: str, gateway: Gateway) -> Iterator[str]:
    uplink = gateway.uplinks[name]
    if not uplink.connected:
        yield f"{name} is not connected"
    if (left := gateway.outbox.queue(name).n) > 1:
        yield f"{left} messages still wait for {name}"
    if bad := {route: word for route, word in uplink.words().items() if word != "ok"}:
        yield f"{name}: {bad}"


def _of_books(books: Books, world: Simulation) -> Iterator[str]:
    for (lid, product), route in books.routes.items():
        where = f"{books.name}/{product}"
        yield from (f"{where}: {fault}" for fault in route.faults)
        if product not in {one for share in SHARES for one in share.get(books.name, ())}:
            yield f"{where} was never granted"
        yield from _some(f"{where} ({lid}): neither came nor declared", list(route.holes()))
        yield from _some(f"{where} ({lid}): crashes that nobody owns up to", route.unowned_crashes())
        yield from _of_rows(where, route, world)
        if not world.stepped and not world.reshared and lid == books.lid:
            width = {"power": world.widths[0], "energy": world.widths[1]}[product]
            missing = [
                one
                for one in route.undeclared_time(width, START + width, world.utc_end - 2 * width)
                if not any(begin < one + width and one < end + width for begin, end in world.rests)
            ]
            yield from _some(f"{where}: windows that neither came nor lie in a gap", missing)
    for text in books.texts:
        if b"secret" in text:
            yield f"{books.name} was told of a point that no product names: {text[:80]!r}"


def _of_rows(where: str, route: Route, world: Simulation) -> Iterator[str]:
    seen: dict[tuple[str, float], Row] = {}
    for row in route.rows:
        if row.unsynced:  # its label is a guess, and says so
            continue
        if (other := seen.setdefault((row.point, row.start), row)) is not row:
            twice = f"{other.epoch}/{other.seq} and {row.epoch}/{row.seq}"
            yield f"{where}: {row.point} at {row.start:.0f} came as {twice}"
        yield from (f"{where}: {row.point} at {row.start:.0f}: {fault}" for fault in _wrong(row, world))
        if not row.point.endswith(where.partition("/")[2]):
            yield f"{where}: {row.point} is not of this product"
    for point in {row.point for row in route.rows if row.point.endswith(".energy")}:
        rows = sorted((one for one in route.rows if one.point == point), key=lambda one: (one.epoch, one.seq))
        yield from (
            f"{where}: {point} {fault}" for fault in _unlike_the_meter(rows, whole=not world.reshared)
        )


def _wrong(row: Row, world: Simulation) -> Iterator[str]:
    """Hold a row's figures against what the meter truly had."""
    device, _, name = row.point.partition(".")
    number = int(device[1:])
    if name == "power":
        for word, value in row.figures.items():
            if value is not None and not number * BAND <= value <= number * BAND + 99:
                yield f"{word} {value} is not of this meter"
    elif (last := row.figures["last"]) is not None:
        meter = world.meters[number]
        if not meter.energy(0.0) <= last <= meter.energy(world.clock.boot()):
            yield f"last {last} was never its count"
        elif not world.stepped and not _served(meter.served, last, row, world.clock.offset):
            yield f"last {last} was not its count in this window"


def _served(served: Sequence[tuple[float, int]], last: float, row: Row, offset: float) -> bool:
    begin, end = row.start - offset - _SLACK, row.start + row.width - offset + _SLACK
    # it was noted in the order of time, a hundred thousand replies in a year
    within = served[bisect_left(served, (begin, 0)) : bisect_right(served, (end, math.inf))]
    return any(energy == last for _, energy in within)


def _unlike_the_meter(rows: Sequence[Row], *, whole: bool) -> Iterator[str]:
    """Hold what is summed up against the meter's own count, from one window to the next.

    It is never more. Between two windows of one run it is not less either, if the product was always
    granted (*whole*).
    """
    before: Row | None = None
    for row in rows:
        last, delta = row.figures["last"], row.figures["delta"]
        if last is None:
            continue
        if before is not None and delta is not None:
            counted = last - (before.figures["last"] or 0)
            next_one = whole and before.epoch == row.epoch and row.seq - before.seq == 1
            if delta > counted + 1e-6 or (next_one and delta < counted - 1e-6):
                yield f"counted {delta} from {before.start:.0f} to {row.start:.0f}, its meter {counted}"
        before = row


def _number(row: Row) -> tuple[int, int]:
    return row.epoch, row.seq


def _some(what: str, found: Sequence[object]) -> Iterator[str]:
    if found:
        more = f" and {len(found) - _LEAST_SHOWN} more" if len(found) > _LEAST_SHOWN else ""
        yield f"{what}: {', '.join(map(str, found[:_LEAST_SHOWN]))}{more}"
