"""What no granted product names leaves no trace: whatever it reads, every message is the same, byte for byte.

The site's own products and grants work on three windows of made-up readings, twice. In between every point
that no granted product takes reads something else, and all others the same. The messages of both times must
be equal, and none may name such a point. (Noise is left out of this: it differs each time.)
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from agent.core.plan import Plan
from agent.core.product import Privacy
from agent.outbox.ledger import LedgerRow, rows
from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.rehearsal import Readings, written_by
from agent.prove.scene import Scene


def prove(scene: Scene) -> Outcome:
    """Let what is not shared read something else, and compare what would leave."""
    faults: list[str] = []
    told = []
    for what, plan in (
        ("this site", _silent(scene.plan)),
        ("a made-up one", _silent(planted.modes(scene.parts))),
    ):
        names = _points(plan)
        unshared = _unshared(plan)
        first, second = (_messages(scene, plan, _readings(names, unshared, by)) for by in (1.0, 1000.0))
        faults += _differences(first, second, unshared)
        told.append(
            f"Of {what}: {len(unshared)} of {len(names)} points are not shared; {len(first)} messages do not"
            " depend on them."
        )
    return judged(tuple(dict.fromkeys(faults)), *told)


def _silent(plan: Plan) -> Plan:
    """Give *plan* without noise."""
    products = tuple(
        replace(one, privacy=Privacy()) if one.privacy.mode == "dp" else one for one in plan.products
    )
    return replace(plan, products=products)


def _points(plan: Plan) -> list[str]:
    return [point.name for link in plan.links for point in link.driver.points()]


def _unshared(plan: Plan) -> set[str]:
    """Name the points that no granted product takes."""
    granted = {route.product for route in plan.routes}
    shared = {one.name for product in plan.products if product.id in granted for one in product.points}
    return set(_points(plan)) - shared


def _readings(names: list[str], unshared: set[str], by: float) -> Readings:
    """Let unshared points change by *by* at each reading, and the others always by one."""

    def readings(window: int, reading: int) -> Mapping[str, float]:
        steps = 5 * window + reading
        return {name: 10.0 + steps * (by if name in unshared else 1.0) for name in names}

    return readings


def _messages(scene: Scene, plan: Plan, readings: Readings) -> list[LedgerRow]:
    where = asyncio.run(written_by(plan, readings, scene.parts, scene.now, scene.room()))
    return list(rows(where))


def _differences(first: list[LedgerRow], second: list[LedgerRow], unshared: set[str]) -> Iterator[str]:
    """Say where two runs differ, and which messages name a point that is not shared."""
    if len(first) != len(second):
        yield f"The number of messages depends on points that are not shared: {len(first)}, {len(second)}."
    for one, other in zip(first, second, strict=False):
        if (one.topic, one.body, one.user) != (other.topic, other.body, other.user):
            yield f"Message {one.epoch}/{one.seq} of {one.route} depends on points that are not shared."
        for name in unshared:
            # the whole name: "door.in" is not named where "door.inner" is
            if re.search(rb"(?<![\w.-])%s(?![\w.-])" % re.escape(name.encode()), _plain(one.body or b"")):
                yield f"Message {one.epoch}/{one.seq} of {one.route} names {name}, which is not shared."


def _plain(body: bytes) -> bytes:
    """Unpack a body that was compressed: a name must not hide in it."""
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
