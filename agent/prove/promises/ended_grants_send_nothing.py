"""After the last day of its grant nothing leaves by it, and what still waited is erased and declared.

The site's grants are given an end in a copy of the plan. Its products work on beyond that end, in made-up
time: nothing may be cleared any more. A made-up outbox that holds unsent messages is then told that their
grant has ended: their bodies must be gone.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from agent.core.plan import Plan
from agent.encodings.native import Native
from agent.outbox.ledger import rows
from agent.outbox.outbox import FILE
from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.rehearsal import MadeClock, cleared_by, steady, written_by
from agent.prove.scene import Scene

_DAY: Final = 86400.0


def prove(scene: Scene) -> Outcome:
    """End grants and see what still leaves."""
    made = planted.modes(scene.parts)
    faults = [*_late(scene, scene.plan), *_late(scene, made), *asyncio.run(_left_behind(scene, made))]
    count = len(scene.plan.routes) + len(made.routes)
    said = f"{count} routes were tried beyond their end: nothing was cleared, and what waited was erased."
    return judged(tuple(dict.fromkeys(faults)), said)


def _late(scene: Scene, plan: Plan) -> list[str]:
    """Say what is cleared although its grant ended two days before."""
    values = {point.name: 10.0 for product in plan.products for point in product.points}
    ended = _ending(plan, scene.now - 2 * _DAY)
    cleared = cleared_by(ended, steady(values), scene.parts, scene.now)
    return [f"{one.product.id} left for {one.route.recipient} after its grant had ended." for one in cleared]


async def _left_behind(scene: Scene, plan: Plan) -> list[str]:
    """Say what an outbox still holds of messages whose grant has ended while they waited."""
    folder = scene.room()
    values = {point.name: 10.0 for product in plan.products for point in product.points}
    await written_by(plan, steady(values), scene.parts, scene.now, folder)
    clock = MadeClock(scene.now + 5 * _DAY)
    outbox = await scene.parts.outbox(folder, cap=1 << 24, keep=90 * _DAY, clock=clock, boxed=False)
    encodings = {one.name: Native(plan.place) for one in plan.recipients}
    outbox.configure(_ending(plan, scene.now + 3 * _DAY), encodings)
    await outbox.tend()
    await outbox.close()
    kept = [row for row in rows(folder / FILE) if row.kind == "batch" and row.body is not None]
    return [f"Message {row.epoch}/{row.seq} of {row.route} outlived its grant." for row in kept]


def _ending(plan: Plan, utc: float) -> Plan:
    day: date = datetime.fromtimestamp(utc, UTC).astimezone(ZoneInfo(plan.timezone)).date()
    day -= timedelta(days=1)
    return replace(plan, routes=tuple(replace(one, until=day) for one in plan.routes))
