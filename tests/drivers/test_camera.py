"""A camera's numbers become samples that say for how long it was looked at, and trouble a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec import convert
from msgspec.structs import replace

from agent.core.attested import Attested
from agent.core.driver import Desk
from agent.core.errors import DriverError
from agent.core.sample import Quality, Sample
from agent.core.settings import decode_hook
from agent.core.sight import HOLES, UNCONFINED, Sight, What
from drivers.camera import Camera
from pipelines.vision.models.bundle import read
from tests.drivers.cameras.peer import Vision
from tests.pipelines.vision.watched import bundle
from tests.virtual import VirtualClock

LINE = {"gate": {"from": [0.5, 0.9], "to": [0.5, 0.1]}}
TABLE: dict[str, Any] = {"source": "rtsp://10.30.0.7/stream2", "model": "nanodet-g", "lines": LINE}


def camera(name: str = "square", **more: Any) -> Camera:  # noqa: ANN401 - a TOML table
    return replace(convert({**TABLE, **more}, Camera, dec_hook=decode_hook), name=name)


class Heard:
    """What one link said, and how it ended."""

    def __init__(self, driver: Camera) -> None:
        self.samples: list[Sample] = []
        self.desk = Desk()
        self.driver = driver

    def of(self, point: str) -> list[tuple[float | None, str, str]]:
        """Give value, quality and reason of each sample of a point."""
        name = f"{self.driver.name}.{point}"
        return [(one.value, one.quality.value, one.why) for one in self.samples if one.point == name]

    async def run(self, clock: VirtualClock) -> None:
        """Run the link until it ends."""
        await self.driver.run(self.samples.extend, clock, self.desk)


@asynccontextmanager
async def running(clock: VirtualClock, *links: Heard) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(one.run(clock)) for one in links]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, DriverError):
                await task


@pytest.fixture
def vision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vision]:
    monkeypatch.setenv("CITYGATE_VISION_SOCKET", str(tmp_path / "vision.sock"))
    one = Vision(tmp_path / "vision.sock")
    yield one
    one.close()


async def to_next_cell(clock: VirtualClock, width: float = 300.0) -> float:
    now = clock.now()
    await clock.sleep(width - now.utc % width + 0.7)
    return clock.boot()


async def test_counts_arrive_with_the_time_for_which_was_looked(
    virtual: VirtualClock, vision: Vision
) -> None:
    link = Heard(camera())
    async with running(virtual, link):
        await vision.session()
        assert [one.name for one in vision.watch.cameras] == ["square"]
        await vision.say(What.READY, 22)
        now = await to_next_cell(virtual)
        await vision.bucket(now, person_to_left=7, analysed=300_000, sight=1, analysis_rate=500)
        now = await to_next_cell(virtual)
        dark = 1 << Sight.DARK | 1
        await vision.bucket(now, person_to_left=2, analysed=120_000, sight=dark, analysis_rate=200)
        now = await to_next_cell(virtual)
        await vision.bucket(now, person_to_left=-1, person_to_right=-1, sight=1 << Sight.DARK)
        await virtual.sleep(0.1)
    assert link.of("gate.person_to_left") == [
        (7, "good", ""), (None, "bad", "dark"), (2, "good", ""), (None, "bad", "dark"),
    ]  # fmt: skip
    left = [one for one in link.samples if one.point == "square.gate.person_to_left"]
    assert [round(later.at - left[0].at) for later in left] == [0, 300, 480, 600]
    assert link.of("analysed") == [(1.0, "good", ""), (0.4, "good", ""), (0.0, "good", "")]
    assert link.of("analysis_rate")[:2] == [(5.0, "good", ""), (2.0, "good", "")]
    assert link.desk.figures["confined"] == "yes"


async def test_doubt_comes_with_the_number(virtual: VirtualClock, vision: Vision) -> None:
    link = Heard(camera())
    async with running(virtual, link):
        await vision.session()
        await vision.say(What.READY, 22)
        now = await to_next_cell(virtual)
        await vision.bucket(now, analysed=300_000, sight=1 << Sight.BLIND | 1)
        await virtual.sleep(0.1)
    assert link.of("gate.person_to_left") == [(0, "uncertain", "blind")]


async def test_a_killed_process_ends_the_run_soon_and_leaves_a_gap(
    virtual: VirtualClock, vision: Vision
) -> None:
    link = Heard(camera())
    async with running(virtual, link) as (task,):
        await vision.session()
        await vision.say(What.READY, 22)
        now = await to_next_cell(virtual)
        await vision.bucket(now, person_to_left=7, analysed=300_000, sight=1)
        await virtual.sleep(60)
        vision.hang_up()
        with pytest.raises(DriverError, match="has ended") as caught:
            await task
    assert caught.value.patience is not None
    assert caught.value.patience <= 2
    assert link.of("gate.person_to_left")[-1] == (None, "bad", "vision_gone")
    whole, gap = (one.at for one in link.samples if one.point == "square.gate.person_to_left")
    assert gap - whole == pytest.approx(300)


async def test_the_cell_of_a_killed_process_is_broken_for_that_reason_and_no_other(
    virtual: VirtualClock, vision: Vision
) -> None:
    link = Heard(camera())
    async with running(virtual, link) as (task,):
        await vision.session()
        await vision.say(What.READY, 22)
        now = await to_next_cell(virtual)
        await vision.bucket(now, person_to_left=7, analysed=300_000, sight=1)
        await virtual.sleep(60)
        vision.hang_up()
        with pytest.raises(DriverError):
            await task
    async with running(virtual, link):
        await vision.session()
        await vision.say(What.READY, 22)
        for observed in (150_000, 150_000):
            now = await to_next_cell(virtual)
            silent = 1 << Sight.SILENT | 1
            await vision.bucket(now, person_to_left=2, analysed=observed, sight=silent)
        await virtual.sleep(0.1)
    missing = [why for value, _, why in link.of("gate.person_to_left") if value is None]
    assert missing == ["vision_gone", "vision_gone", "silent"]


async def test_what_cannot_be_true_ends_the_session(virtual: VirtualClock, vision: Vision) -> None:
    async with running(virtual, Heard(camera())) as (task,):
        await vision.session()
        await vision.raw(b"\xff\xd8\xff\xe0" + b"JFIF" * 20)
        with pytest.raises(DriverError, match="sent a packet of 33 bytes: it is not believed any more"):
            await task


async def test_holes_are_told_in_a_sentence(virtual: VirtualClock, vision: Vision) -> None:
    async with running(virtual, Heard(camera())) as (task,):
        await vision.session()
        await vision.say(What.HOLES, 1 << HOLES.index("exec") | 1 << HOLES.index("net:192.0.2.1"))
        with pytest.raises(DriverError, match=r"not confined: net:192\.0\.2\.1, exec"):
            await task


async def test_a_fault_of_one_camera_is_its_own(
    virtual: VirtualClock, vision: Vision, caplog: pytest.LogCaptureFixture
) -> None:
    square, yard = Heard(camera()), Heard(camera("yard", model="lost"))
    async with running(virtual, square, yard) as tasks:
        await vision.session()
        assert [one.name for one in vision.watch.cameras] == ["square", "yard"]
        await vision.say(What.FAULT, Sight.NO_MODEL, cell=1)
        await vision.say(What.READY, 22)
        now = await to_next_cell(virtual)
        await vision.bucket(now, person_to_left=7, analysed=300_000, sight=1)
        await virtual.sleep(0.1)
        assert not any(task.done() for task in tasks)
    assert "camera yard: its model is not installed: run `citygate model add`" in caplog.text
    assert yard.desk.figures["sight"] == "no_model"
    assert square.of("gate.person_to_left") == [(7, "good", "")]
    assert yard.of("sight") == [(float(Sight.NO_MODEL), "good", "")]


async def test_a_fault_that_another_process_no_longer_has_is_told_to_be_over(
    virtual: VirtualClock, vision: Vision, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    square = Heard(camera())
    for fault in (True, False):
        async with running(virtual, square):
            await vision.session()
            if fault:
                await vision.say(What.FAULT, Sight.NO_MODEL)
            await vision.say(What.READY, 22)
            if not fault:
                await vision.say(What.NEWS, Sight.OK)
            await virtual.sleep(0.1)
    assert square.desk.figures["sight"] == "ok"
    assert caplog.text.count("camera square: it is counted") == 1


async def test_another_camera_begins_a_session_of_both(virtual: VirtualClock, vision: Vision) -> None:
    async with running(virtual, Heard(camera())):
        await vision.session()
        async with running(virtual, Heard(camera("yard"))):
            await vision.session()
            assert [one.name for one in vision.watch.cameras] == ["square", "yard"]
        await vision.session()
        assert [one.name for one in vision.watch.cameras] == ["square"]


async def test_cells_stay_aligned_when_the_clock_is_set(virtual: VirtualClock, vision: Vision) -> None:
    async with running(virtual, Heard(camera())):
        await vision.session()
        before = vision.watch.offset
        virtual.step(3600.5)
        await vision.session()
        assert vision.watch.offset == pytest.approx(before + 3600.5)


async def test_the_mark_of_an_unconfined_process_is_on_every_sample(
    virtual: VirtualClock, vision: Vision
) -> None:
    link = Heard(camera())
    async with running(virtual, link):
        await vision.session()
        await vision.say(What.READY | UNCONFINED, 20)
        await vision.say(What.NEWS | UNCONFINED, Sight.OK)
        await virtual.sleep(0.1)
    assert [one.unconfined for one in link.samples] == [True]
    assert link.samples[0].quality is Quality.GOOD
    assert link.desk.figures["confined"] == "no"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"source": "rtsp://camera.example/1"}, "no address in figures"),
        ({"source": "rtsps://10.0.0.1/1"}, "rtsps is not supported"),
        ({"source": "/srv/clip.mp4"}, 'a clip is written "file:/srv/clip.mp4"'),
        ({"source": "ftp://10.0.0.1/x"}, "is no source of pictures"),
        ({"lines": {}}, "nothing is drawn"),
        ({"keyframes": True}, "too seldom"),
        ({"picture": [640, 0]}, "needs a width and a height"),
        ({"cell": "1m"}, "only a clip, or a camera on loopback"),
        ({"cell": "7m"}, "must divide an hour"),
        ({"password": "credential:x"}, 'needs "user"'),
        ({"zones": {"gate": {"corners": [[0, 0], [1, 0], [1, 1]]}}}, "must not share a name: gate"),
    ],
)
def test_what_cannot_be_counted_is_refused_in_a_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        camera(**wrong)


@pytest.mark.parametrize(
    ("ends", "warned"),
    [
        (((0.02, 0.1), (0.05, 0.9)), True),
        (((0.1, 0.95), (0.9, 0.97)), True),
        (((0.02, 0.1), (0.3, 0.9)), False),
        (((0.1, 0.02), (0.9, 0.98)), False),
    ],
)
def test_a_line_along_the_edge_is_warned_of(ends: tuple[list[float], list[float]], *, warned: bool) -> None:
    told = camera(lines={"gate": {"from": ends[0], "to": ends[1]}}).facts()
    assert any("square.gate: it runs along the picture's edge" in one for one in told) is warned


async def test_whoever_wants_to_read_does_not_wait_for_a_camera(
    virtual: VirtualClock, vision: Vision
) -> None:
    link = Heard(camera())
    async with running(virtual, link):
        await vision.session()
        assert list(await asyncio.wait_for(link.desk.wish(()), 1)) == []


async def test_what_was_proven_of_the_cage_lies_on_the_desk(
    virtual: VirtualClock, vision: Vision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    (tmp_path / "models").mkdir()
    path = bundle(tmp_path / "models")
    link = Heard(camera(model="toy"))
    async with running(virtual, link):
        await vision.session()
        await vision.say(What.READY, 3, bucket=0b111)
        await virtual.sleep(0.1)
    assert link.desk.attested == Attested(
        refused=HOLES[:3], worked=(), unconfined=False, model="toy", sha256=read(path).manifest.sha256
    )
    assert link.desk.figures["cage"] == "3 attempts to get out of it were refused, and none worked"


def test_every_count_is_personal_and_nothing_else_is() -> None:
    kinds = {one.name: one.personal for one in camera().points()}
    assert [name for name, personal in kinds.items() if personal] == [
        "square.gate.person_to_left", "square.gate.person_to_right",
    ]  # fmt: skip
    assert len(kinds) == 7


def test_the_device_of_a_camera_at_this_computer_is_lent_to_the_process_that_looks() -> None:
    assert camera(source="/dev/video0").needs().lent == ("/dev/video0",)
    assert camera().needs().lent == ()


def test_what_was_measured_is_known_by_the_drawing_and_the_model() -> None:
    here = camera().about("gate")
    assert here == camera("yard").about("gate")
    assert here != camera(model="other").about("gate")
    moved = {"gate": {"from": [0.5, 0.9], "to": [0.5, 0.2]}}
    assert here != camera(lines=moved).about("gate")


def test_nothing_that_cannot_be_true_is_believed_of_a_camera() -> None:
    tried, believed = camera().forged()
    assert tried > 10
    assert believed == []


async def test_cells_that_never_came_leave_a_gap_and_no_number(virtual: VirtualClock, vision: Vision) -> None:
    link = Heard(camera())
    async with running(virtual, link):
        await vision.session()
        await vision.say(What.READY, 22)
        for wait in (0.0, 600.0):
            await virtual.sleep(wait)
            now = await to_next_cell(virtual)
            await vision.bucket(now, person_to_left=7, analysed=300_000, sight=1)
            await virtual.sleep(0.1)
    assert link.of("gate.person_to_left") == [(7, "good", ""), (None, "bad", "silent"), (7, "good", "")]
