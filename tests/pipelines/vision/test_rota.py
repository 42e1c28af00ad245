"""Four cameras in turn: each picture at its deadline, and a shortage that falls on all alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from agent.core.sight import Sight, Watch, What, cells
from pipelines.vision.rota import Seat, next_of
from tests.pipelines.vision.clips import across, clip
from tests.pipelines.vision.watched import bundle, camera, watching


class Stub:
    """A source whose next picture is always there, or never; and the eye that only notes when it looked."""

    def __init__(self, *, shows: bool = True) -> None:
        self.waits = shows
        self.looks: list[float] = []
        self.now = 0.0

    @property
    def latest(self) -> Stub:
        return self

    def take(self) -> Stub:
        return self

    @property
    def at(self) -> float:
        return self.now

    def look(self, *_: object) -> None:
        self.looks.append(self.now)


def played(
    rates: list[float], cost: float, *, seconds: float = 60.0, silent: int | None = None
) -> list[Stub]:
    """Let cameras of these rates be looked at by a model that takes *cost* seconds a picture."""
    stubs = [Stub(shows=place != silent) for place in range(len(rates))]
    seats = [
        Seat(camera("file:/x", Path("m"), rate=rate), cast("Any", stub), cast("Any", stub), cast("Any", None))
        for rate, stub in zip(rates, stubs, strict=True)
    ]
    now = 0.0
    while now < seconds:
        for stub in stubs:
            stub.now = now
        if (turn := next_of(seats, now)) is None:
            now = min(one.due for one, stub in zip(seats, stubs, strict=True) if stub.waits)
            continue
        turn.look(now, seconds + 1, lambda: None)
        now += cost
    return stubs


def test_with_time_enough_each_camera_keeps_its_rate_and_none_waits_longer_than_one_round() -> None:
    for stub in played([5, 5, 5, 5], 0.04):
        assert len(stub.looks) == pytest.approx(300, abs=2)
        gaps = [later - one for one, later in zip(stub.looks, stub.looks[1:], strict=False)]
        assert max(gaps) <= 0.2 + 4 * 0.04 + 1e-9


def test_a_shortage_falls_on_all_alike() -> None:
    many = [len(stub.looks) for stub in played([5, 5, 5, 5], 0.1)]
    assert sum(many) == pytest.approx(600, abs=2)
    assert max(many) - min(many) <= 1


def test_no_camera_is_left_out_however_fast_the_others_are() -> None:
    fast, usual, slow, slowest = (len(stub.looks) for stub in played([20, 5, 2, 1], 0.1))
    assert slowest >= 45  # of 60
    assert slow >= 90  # of 120
    assert usual >= 120
    assert fast >= usual


def test_a_camera_without_pictures_takes_no_turn() -> None:
    silent, *others = played([5, 5, 5, 5], 0.06, silent=0)
    assert silent.looks == []
    assert [len(stub.looks) for stub in others] == pytest.approx([300] * 3, abs=2)


@pytest.mark.long
def test_four_cameras_are_at_their_deadlines(tmp_path: Path) -> None:
    model = bundle(tmp_path)
    film = clip(tmp_path / "across.mp4", 75, across)
    rates = [5.0, 5.0, 4.0, 2.0]
    cameras = [camera(film, model, rate=rate) for rate in rates]
    table = cells(Watch(cameras=tuple(cameras), width=5, offset=0.0))
    with watching(cameras, width=5) as vision:
        for _ in cameras:
            assert vision.until(What.NEWS, seconds=20).value == Sight.OK
        told: dict[tuple[int, str], float] = {}
        for _ in range(3):  # the first one is not whole
            for _ in table:
                said = vision.until(What.NUMBER, What.UNKNOWN)
                cell = table[said.cell]
                told[cell.camera, cell.name] = said.value / cell.scale
    for place, rate in enumerate(rates):
        assert told[place, "analysis_rate"] == pytest.approx(rate, rel=0.1, abs=0.2)
        assert told[place, "analysed"] == pytest.approx(5, abs=0.3)
