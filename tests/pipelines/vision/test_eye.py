"""What a camera sees is told in the cell in which it happened, however many pictures are followed at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.sight import Watch, cells
from pipelines.vision import eye as module
from pipelines.vision.clip import Clip
from pipelines.vision.eye import Eye
from pipelines.vision.models.build import opened
from tests.pipelines.vision.clips import across, clip, toy
from tests.pipelines.vision.watched import camera


def told(film: Path, width: float) -> list[list[int | None]]:
    """Give what leaves for a clip: the numbers of each cell."""
    one = camera(film, film)
    table = cells(Watch(cameras=(one,), width=5, offset=0.0))
    eye, detector = Eye(one, table, 0.0), opened(toy().SerializeToString(), "yolox")
    end, closed = width, []
    for still in Clip(film):
        while still.at >= end:
            closed.append(eye.close(end))
            end += width
        eye.look(still, detector)
    return [*closed, eye.close(end)]


@pytest.mark.parametrize("width", [0.5, 1.3])
def test_no_passage_is_lost_or_told_late_when_a_cell_ends(
    width: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = clip(tmp_path / "across.mp4", 35, across)
    monkeypatch.setattr(module, "_TOGETHER", 0.0)
    one_by_one = told(film, width)
    monkeypatch.undo()
    assert told(film, width) == one_by_one
    assert sum(cell[1] or 0 for cell in one_by_one) == 1  # to the right
