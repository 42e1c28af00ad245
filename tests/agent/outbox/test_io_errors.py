"""Any way in which the disk fails is trouble that is told, never a message that is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.errors import OutboxError
from agent.outbox.reserve import Reserve
from agent.outbox.store import FullError, Store
from tests.agent.outbox.scenes import World


async def test_an_error_of_the_reserve_is_trouble_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    outbox = await world.start(boxed=True)
    await world.flush()
    world.window()
    with monkeypatch.context() as broken:
        broken.setattr(Store, "_commit", _full)
        broken.setattr(Store, "_disk_is_full", lambda _: True)
        broken.setattr(Reserve, "give", _gone)
        await outbox.flush()
        assert "Input/output error" in outbox.trouble
    await world.flush()
    assert outbox.trouble == ""
    assert [row.kind for row in await world.deliver()] == ["start", "batch"]
    await outbox.close()


def _full(*_: object) -> None:
    raise FullError("no room")


def _gone(*_: object) -> None:
    raise OSError(5, "Input/output error")


async def test_a_folder_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "outbox.lock").mkdir()
    with pytest.raises(OutboxError, match=r"outbox\.db"):
        await World(tmp_path).start()
