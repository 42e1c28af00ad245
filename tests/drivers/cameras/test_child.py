"""Without a unit the process that sees pixels is a child: killed, it is back within five seconds."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest
from msgspec import convert
from msgspec.structs import replace

from agent.core.clock import SystemClock
from agent.core.driver import Desk
from agent.core.sample import Sample
from agent.core.settings import decode_hook
from agent.supervisor import Supervisor
from drivers.camera import Camera
from tests.pipelines.vision.clips import across, clip
from tests.pipelines.vision.watched import bundle


def children() -> list[int]:
    """List the processes that this one has started and that still run."""
    tasks = Path("/proc/self/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


async def counted(desk: Desk, within: float) -> None:
    """Wait until the camera is counted."""
    async with asyncio.timeout(within):
        while desk.figures.get("sight") != "ok":  # noqa: ASYNC110 - figures ring no bell
            await asyncio.sleep(0.02)


async def test_killed_it_is_back_within_five_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("CITYGATE_VISION_SOCKET", str(tmp_path / "nobody"))
    (tmp_path / "models").mkdir()
    bundle(tmp_path / "models")
    film = clip(tmp_path / "across.mp4", 75, across)
    lines = {"gate": {"from": [0.5, 0.95], "to": [0.5, 0.05]}}
    table = {"source": f"file:{film}", "model": "toy", "cell": "5s", "lines": lines}
    driver = replace(convert(table, Camera, dec_hook=decode_hook), name="square")
    samples: list[Sample] = []
    desk, clock = Desk(), SystemClock()

    async def main() -> None:
        life = supervisor.start("link square", lambda: driver.run(samples.extend, clock, desk))
        await counted(desk, 15)
        assert desk.figures["confined"] == "yes"
        (process,) = children()
        os.kill(process, signal.SIGKILL)
        desk.figures.clear()
        began = time.monotonic()
        await counted(desk, 5)
        assert time.monotonic() - began < 5
        assert life.why == "citygate-vision was ended by SIGKILL"
        assert children() != [process]

    supervisor = Supervisor(clock, random.Random(1))
    await supervisor.run(main)
    assert children() == []  # it ends with us
