"""Other pixels of the same motion leave the same bytes, through the whole gateway: records, outbox, messages.

The pixels are looked at by the code that does so in earnest; its records go through the driver, the products,
the gate and the encoding into an outbox on disk, on virtual time, so that nothing but pixels differs.
"""

from __future__ import annotations

import logging
import socket
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec import convert, json
from msgspec.structs import replace

from agent.core.plan import Link
from agent.core.product import Privacy, Product
from agent.core.settings import decode_hook
from agent.core.sight import Watch, What, cells
from drivers.camera import Camera
from pipelines.vision.clip import Clip
from pipelines.vision.eye import Eye
from pipelines.vision.models.build import opened
from pipelines.vision.wire import Wire
from pipelines.window import Window
from tests.agent.small_site import Site, plan, route
from tests.drivers.cameras.peer import Vision
from tests.faults.cameras import train
from tests.pipelines.vision import clips
from tests.pipelines.vision.clips import clip, toy
from tests.pipelines.vision.test_interference import papered
from tests.virtual import VirtualClock, simulate

WIDTH, CELLS = 5, 3


def records(film: Path, watch: Watch, begin: float) -> list[list[bytes]]:
    """Give each cell's records from *begin* (boot time) on, as the process that sees pixels writes them."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.send(json.encode(watch))
    wire, table = Wire(far.detach()), cells(watch)
    eye, detector = Eye(watch.cameras[0], table, begin), opened(toy().SerializeToString(), "yolox")
    wire.tell(What.READY, 22)
    told = [[near.recv(64)]]
    for still in Clip(film):
        still.at += begin
        if still.at >= begin + len(told) * WIDTH:
            end = begin + len(told) * WIDTH
            bucket = round((end + watch.offset) / WIDTH) - 1
            wire.numbers(eye.close(end), bucket, round(end * 1e9))
            told.append([near.recv(64) for _ in table])
        eye.look(still, detector)
    near.close()
    wire.close()
    return told


def camera_plan() -> Any:  # noqa: ANN401 - a plan with one camera
    lines = {"gate": {"from": [0.5, 0.95], "to": [0.5, 0.05]}}
    table = {"source": "file:/srv/clip.mp4", "model": "toy", "cell": "5s", "lines": lines}
    driver = replace(convert(table, Camera, dec_hook=decode_hook), name="square")
    points = tuple(driver.points())
    products = []
    for name, counted in (("people-flow", True), ("camera", False)):
        own = tuple(one for one in points if one.personal is counted and not one.name.endswith("sight"))
        step = Window(length="5s", statistics=("sum",) if counted else ("mean", "max"))
        privacy = Privacy(mode="suppress", k=2) if counted else Privacy()
        products.append(
            Product(
                id=name, points=own, published=own, steps=(step,), window=5.0, span="5s",
                statistics=step.statistics, privacy=privacy,
            )
        )  # fmt: skip
    return replace(
        plan(),
        links=(Link(name="square", kind="camera", driver=driver),),
        products=tuple(products),
        routes=tuple(route(one.id) for one in products),
    )


async def egress(film: Path, site: Site, vision: Vision) -> None:
    """Let the whole gateway run while the clip is looked at, and stop it."""
    async with site.running():
        await vision.session()
        clock = site.clock
        await clock.sleep(WIDTH - clock.now().utc % WIDTH)
        begin = round(clock.now().utc) - vision.watch.offset
        for number, packets in enumerate(records(film, vision.watch, begin)):
            if number:
                await clock.sleep(begin + number * WIDTH + 0.6 - clock.boot())
            for packet in packets:
                await vision.raw(packet)
        await clock.sleep(2 * WIDTH)


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """Give every column of every row of the outbox: what left, byte for byte, and its hashes."""
    with sqlite3.connect(folder / "outbox.db") as db:
        found = db.execute("SELECT * FROM row ORDER BY id").fetchall()
    db.close()
    return found


def test_other_pixels_of_the_same_motion_leave_the_same_outbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = clips.picture
    left: list[Left] = []
    for seed in (1, 2):
        monkeypatch.setattr(clips, "picture", lambda *words, seed=seed: papered(plain(*words), seed))
        left.append(whole(train, tmp_path / str(seed), monkeypatch))
    monkeypatch.setattr(clips, "picture", plain)
    still = whole(lambda _: [(64, 64)], tmp_path / "still", monkeypatch)
    one, other = left
    assert one.film != other.film
    assert one.rows == other.rows
    assert one.messages == other.messages
    assert one.log == other.log
    assert one.rows != still.rows
    assert len(one.rows) >= 2 + 2 * CELLS  # two starts, and the windows of two products
    assert any(b'"square.gate.person_to_right",1,' in body for _, body in one.messages)


class Left(NamedTuple):
    """What one gateway has left: its clip, the rows of its outbox, the city's messages, and its log."""

    film: bytes
    rows: list[tuple[Any, ...]]
    messages: list[tuple[str, bytes]]
    log: list[str]


def whole(paint: clips.Paint, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Left:
    """Run one gateway from nothing to its end, on a loop of its own."""
    folder.mkdir()
    film = clip(folder / "clip.mp4", 5 * (WIDTH * CELLS + 1), paint)
    state = folder / "gateway"
    state.mkdir()
    monkeypatch.setenv("CITYGATE_VISION_SOCKET", str(folder / "vision.sock"))
    vision = Vision(folder / "vision.sock")
    log = _Log()
    logging.getLogger().addHandler(log)
    try:
        site = Site(state, VirtualClock(), monkeypatch)
        site.plan = camera_plan()
        simulate(egress(film, site, vision))
    finally:
        logging.getLogger().removeHandler(log)
        vision.close()
    messages = [(row.topic, row.body) for row in site.city.rows]
    return Left(film.read_bytes(), rows(state), messages, log.lines)


class _Log(logging.Handler):
    """Keeps every line, as the journal would."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
