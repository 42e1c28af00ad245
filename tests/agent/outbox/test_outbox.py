"""The outbox as a whole: what goes in comes out, or is declared."""

from __future__ import annotations

import json
from pathlib import Path

from tests.agent.outbox.scenes import World


async def test_an_epoch_opens_with_a_start_message(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    world.window()
    await world.flush()
    rows = await world.deliver()
    assert [(row.kind, row.epoch, row.seq) for row in rows] == [("start", 1, 1), ("batch", 1, 2)]
    assert json.loads(rows[0].body)["d"] is None
    assert world.outbox.queue("city").n == 0
    await world.outbox.close()


async def test_after_a_clean_stop_the_next_epoch_names_the_last_message(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    world.window()
    await world.flush()
    await world.deliver()
    await world.outbox.close()
    await world.start()
    await world.flush()
    (start,) = await world.deliver()
    assert json.loads(start.body)["d"] == {"epoch": 1, "last": 2, "clean": True}
    await world.outbox.close()
