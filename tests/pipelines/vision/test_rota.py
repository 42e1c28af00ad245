"""Four cameras in turn: each picture at its deadline, and a shortage that falls on all alike."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.core.clock import SystemClock
from agent.core.sight import Sight, Watch, What, cells
from pipelines.vision.rota import Seat, next_of
from pipelines.vision.shift import Shift
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


def test_a_turn_without_a_picture_costs_the_eye_nothing() -> None:
    class Empty(Stub):
        due = 0.0

        def take(self) -> None:  # type: ignore[override]
            return None

    stub = Empty()
    seat = Seat(
        camera("file:/x", Path("m"), rate=5.0), cast("Any", stub), cast("Any", stub), cast("Any", None)
    )
    seat.look(7.0, 100.0, lambda: None)
    assert stub.looks == []
    assert (seat.due, stub.due) == (7.0, 7.0)


class Ended:
    """An eye that notes when a cell was closed."""

    def __init__(self) -> None:
        self.closed: list[float] = []

    def close(self, end: float) -> list[int | None]:
        self.closed.append(end)
        return [None] * 9


def test_after_a_sleep_of_the_computer_what_was_counted_meanwhile_is_of_no_cell() -> None:
    one = camera("file:/x", Path("m"))
    watch = Watch(cameras=(one,), width=10, offset=0.0)
    told: list[tuple[int, int]] = []

    class Wire:
        def numbers(self, numbers: list[int | None], bucket: int, stamp: int) -> None:
            told.append((bucket, stamp))

    shift = Shift(watch, cells(watch), cast("Any", Wire()), SystemClock())
    eye = Ended()
    shift._seats[0] = cast("Any", SimpleNamespace(eye=eye))
    begun = shift._bucket
    end = shift._end()
    shift._finish(end, end + 1)
    assert (shift._bucket, eye.closed) == (begun + 1, [end])
    shift._finish(end + 10, end + 95)
    assert shift._bucket == begun + 10
    assert eye.closed == [end, end + 10, end + 90], "what came in between is dropped"
    assert [bucket for bucket, _ in told] == [begun, begun + 1]


def test_a_picture_that_comes_just_before_the_wait_is_not_waited_for() -> None:
    watch = Watch(cameras=(camera("file:/x", Path("m")),), width=10, offset=0.0)
    shift = Shift(watch, cells(watch), cast("Any", None), SystemClock())
    seat = SimpleNamespace(due=1.0, source=SimpleNamespace(latest=SimpleNamespace(waits=True)))
    shift._seats[0] = cast("Any", seat)
    begun = time.monotonic()
    for _ in range(100):
        shift._wait(2.0)
    assert time.monotonic() - begun < 1  # a glance is a quarter of a second
