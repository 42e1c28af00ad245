"""Who may ask for messages once more gets what it has had already under its grant, and nothing else at all.

A made-up outbox is asked for everything that it holds: before anything was delivered, afterwards, for
products without a grant, from another address, and after the grants' last day. Bytes that are no command must
not be taken for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from agent.core.command import MOST, Verb, Wanted
from agent.core.plan import Plan
from agent.encodings.native import Native
from agent.outbox.outbox import Outbox
from agent.outbox.row import Row
from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.rehearsal import MadeClock, by_width, steady, written_by
from agent.prove.scene import Scene

_DAY: Final = 86400.0
_NO_COMMANDS: Final[tuple[tuple[Verb, bytes], ...]] = (
    ("rebirth", b""),
    ("rebirth", b'{"v":1,"k":"rebirth","points":["door.in"]}'),
    ("replay", b'{"v":1,"k":"rebirth"}'),
    ("replay", b'{"v":1,"k":"replay","lid":"0","product":"../d","e":1,"from":1,"to":2}'),
    ("replay", b'{"v":1,"k":"replay","lid":"0","product":"a","e":1,"from":1,"to":2,"privacy":"none"}'),
    ("replay", b'{"v":1,"k":"write","lid":"0","product":"a","e":1,"from":1,"to":2}'),
)


def prove(scene: Scene) -> Outcome:
    """Ask for more than there is to have, in each way that there is."""
    plan = next(by_width(planted.modes(scene.parts)))
    faults = [*_no_commands(plan), *asyncio.run(_asked(scene, plan))]
    asking = [one.name for one in scene.plan.recipients if one.commands]
    site = f"At this site {', '.join(asking)} may ask." if asking else "At this site nobody may ask."
    return judged(faults, f"Asked for everything, an outbox gave what had been delivered alone. {site}")


def _no_commands(plan: Plan) -> Iterator[str]:
    for verb, body in _NO_COMMANDS:
        try:
            Native(plan.place).read(verb, body)
        except ValueError:
            continue
        yield f"These bytes were taken for a command: {body.decode()}."


async def _asked(scene: Scene, plan: Plan) -> list[str]:
    folder = scene.room()
    values = {point.name: 10.0 for product in plan.products for point in product.points}
    await written_by(plan, steady(values), scene.parts, scene.now, folder)
    outbox = await _opened(scene, folder)
    try:
        return await _faults(scene, plan, outbox)
    finally:
        await outbox.close()


async def _opened(scene: Scene, folder: Path) -> Outbox:
    clock = MadeClock(scene.now + _DAY)
    return await scene.parts.outbox(folder, cap=1 << 24, keep=90 * _DAY, clock=clock, boxed=False)


async def _faults(scene: Scene, plan: Plan, outbox: Outbox) -> list[str]:
    name, faults = plan.routes[0].recipient, []
    granted = [one.product for one in plan.routes if one.recipient == name]
    _configure(outbox, plan)
    if await _given(outbox, name, granted):
        faults.append("What had never been delivered was sent by a replay.")
    had = await _delivered(outbox, name)
    given = await _given(outbox, name, granted)
    faults += [f"Message {epoch}/{seq} came otherwise than before." for epoch, seq, *_ in given - had]
    if not given:
        faults.append("Nothing came at all, so that nothing has been proven.")
    others = [one.id for one in planted.modes(scene.parts).products if one.id not in granted]
    if await _given(outbox, name, others):
        faults.append("A product without a grant was sent by a replay.")
    _configure(outbox, _ended(plan, scene.now))
    if await _given(outbox, name, granted):
        faults.append("What was asked for after its grant had ended was sent again.")
    _configure(outbox, replace(plan, recipients=tuple(replace(x, host="192.0.2.7") for x in plan.recipients)))
    if await _given(outbox, name, granted):
        faults.append("What went to another address before was sent again.")
    return faults


async def _given(outbox: Outbox, recipient: str, products: list[str]) -> set[tuple[int, int, str, bytes]]:
    """Ask for all numbers of all runs; give what would be sent."""
    found: list[Row] = []
    for product in products:
        for epoch in range(1, outbox.epoch + 1):
            page = await outbox.again(recipient).page(Wanted(product, epoch, 1, MOST), MOST)
            found += page.rows if page is not None else ()
    return {(one.epoch, one.seq, one.route, one.body) for one in found}


async def _delivered(outbox: Outbox, recipient: str) -> set[tuple[int, int, str, bytes]]:
    """Take everything and say that the broker has it."""
    feed, had = outbox.feed(recipient), set()
    while rows := await feed.take(0, 100):
        for row in rows:
            feed.acked(row)
            had.add((row.epoch, row.seq, row.route, row.body))
    return had


def _configure(outbox: Outbox, plan: Plan) -> None:
    outbox.configure(plan, {one.name: Native(plan.place) for one in plan.recipients})


def _ended(plan: Plan, utc: float) -> Plan:
    day = datetime.fromtimestamp(utc, UTC).astimezone(ZoneInfo(plan.timezone)).date() - timedelta(days=1)
    return replace(plan, routes=tuple(replace(one, until=day) for one in plan.routes))
