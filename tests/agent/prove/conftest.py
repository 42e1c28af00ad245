"""A scene for each test: a site, and a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.config.load import load
from agent.core.plan import Plan
from agent.prove.scene import Parts, Scene
from tests.agent.prove.scenes import NOW, STREET

Made = Callable[..., Scene]


@pytest.fixture
def scene(tmp_path: Path) -> Made:
    """Give what makes a scene: of the made-up street, or of *plan*; other words are parts."""

    def made(plan: Plan | None = None, *, folder: Path = STREET, **parts: Any) -> Scene:  # noqa: ANN401
        room = tmp_path / "room"
        room.mkdir(exist_ok=True)
        return Scene(
            plan=plan or load(folder),
            folder=folder,
            outbox=tmp_path / "state" / "outbox.db",
            socket=tmp_path / "control.sock",
            room=room,
            now=NOW,
            parts=Parts(**{"seconds": 0.3, **parts}),
        )

    return made
