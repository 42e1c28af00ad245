"""What no granted product names never leaves: its readings are in no message, byte for byte.

Every point of the site that no granted product takes gets a reading of its own that can be recognised. The
site's own products and grants then work on three windows of made-up readings, into an outbox of its own, and
every message in it is searched for those readings.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from agent.core.plan import Plan
from agent.outbox.ledger import rows
from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.rehearsal import steady, written_by
from agent.prove.scene import Scene

_FIRST: Final = 7_654_321  # no figure of readings of 1 comes near


def prove(scene: Scene) -> Outcome:
    """Mark what is not shared and look for it in what would leave."""
    faults: list[str] = []
    told = []
    for what, plan in (("this site", scene.plan), ("a made-up one", planted.modes(scene.parts))):
        marks = marked(plan)
        values = {name: marks.get(name, 1.0) for name in _points(plan)}
        where = asyncio.run(written_by(plan, steady(values), scene.parts, scene.now, scene.room()))
        count, found = _found(where, marks)
        faults += found
        told.append(
            f"Of {what}: {len(marks)} of {len(values)} points are not shared; {count} messages hold none."
        )
    return judged(faults, *told)


def marked(plan: Plan) -> dict[str, float]:
    """Give a reading that can be recognised for each point that no granted product takes."""
    granted = {route.product for route in plan.routes}
    shared = {one.name for product in plan.products if product.id in granted for one in product.points}
    unshared = (name for name in _points(plan) if name not in shared)
    return {name: float(_FIRST + 10 * number) for number, name in enumerate(unshared)}


def _points(plan: Plan) -> list[str]:
    return [point.name for link in plan.links for point in link.driver.points()]


def _found(where: Path, marks: Mapping[str, float]) -> tuple[int, list[str]]:
    """Count the messages of an outbox, and say which of them hold a mark."""
    forms = {name: tuple(_forms(value)) for name, value in marks.items()}
    count, faults = 0, []
    for row in rows(where):
        count += 1
        body = (row.body or b"") + row.topic.encode()
        for name, ways in forms.items():
            if any(way in body for way in ways) or name.encode() in body:
                faults.append(f"Message {row.epoch}/{row.seq} of {row.route} tells of {name}.")
    return count, faults


def _forms(value: float) -> Iterator[bytes]:
    """Give a number as text and as encodings write it in binary."""
    yield f"{value:.0f}".encode()
    for form in ("<d", ">d", "<f", ">f"):
        yield struct.pack(form, value)
