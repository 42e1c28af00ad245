"""What a camera sees is told in the cell in which it happened, however many pictures are followed at once."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from agent.core.sight import Sight, Watch, cells
from pipelines.vision import eye as module
from pipelines.vision.clip import Clip, Scaler, Still
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


def test_time_in_which_the_picture_stood_still_was_not_observed(tmp_path: Path) -> None:
    one = camera(tmp_path / "x", tmp_path / "x")
    table = cells(Watch(cameras=(one,), width=50, offset=0.0))
    eye, detector = Eye(one, table, 0.0), opened(toy().SerializeToString(), "yolox")
    chance, seen = np.random.default_rng(3), []
    for second in range(50):
        if second <= 10:  # then the stream goes on with the same picture for ever
            pixels = chance.integers(0, 90, (256, 320, 3), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
        eye.look(Still(frame, float(second), Scaler()), detector)
        seen.append(eye.sight)
    assert seen.index(Sight.FROZEN) == 41
    assert set(seen[41:]) == {Sight.FROZEN}
    told = dict(zip((cell.name for cell in table), eye.close(50.0), strict=True))
    assert (told["analysed"] or 0) / table[-4].scale == pytest.approx(10, abs=2)
