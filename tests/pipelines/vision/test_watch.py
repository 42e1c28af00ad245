"""The process that sees pixels: it counts within its cage, and says in one word what is wrong."""

from __future__ import annotations

import base64
import re
import signal
import subprocess
from pathlib import Path

import pytest

from agent.core.sight import HOLES, Sight, What
from tests.peers import need
from tests.pipelines.vision.clips import across, clip
from tests.pipelines.vision.watched import PROGRAM, bundle, camera, watching

WRITING = re.compile(r'(?:open|openat|creat)\([^)]*"(?!/dev/null|/dev/tty)[^"]*"[^)]*O_(?:CREAT|WRONLY|RDWR)')


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("clips") / "across.mp4", 75, across)


def test_a_clip_is_counted_within_the_cage(film: Path, model: Path) -> None:
    with watching([camera(film, model)], width=2) as vision:
        assert vision.until(What.READY).value >= 20
        assert vision.until(What.NEWS).value == Sight.OK
        cells = [vision.numbers() for _ in range(3)]
    assert sum(one["gate.person_to_right"] or 0 for one in cells) == 1
    assert sum(one["gate.person_to_left"] or 0 for one in cells) == 0
    assert cells[-1]["analysed"] == pytest.approx(2, abs=0.3)
    assert cells[-1]["analysis_rate"] == pytest.approx(5, abs=1)
    assert vision.process.returncode == 0
    assert all(len(one) == 32 for one in vision.raw)


def test_each_fault_of_a_camera_has_its_word_and_harms_no_other(
    film: Path, model: Path, tmp_path: Path
) -> None:
    text = tmp_path / "clip.mp4"
    text.write_text("no video at all")
    damaged = tmp_path / "damaged.citymodel"
    damaged.write_bytes(model.read_bytes()[:-5000] + b"x" * 5000)
    cameras = [
        camera(film, tmp_path / "lost.citymodel"),
        camera(film, damaged),
        camera(film, model, model_sha256="0" * 64),
        camera(film, model, user="me", password="credential:lost"),  # noqa: S106 - a name
        camera(film, bundle(tmp_path, b"no network")),
        camera(tmp_path / "lost.mp4", model),
        camera(text, model),
        camera(film, model, picture=(1920, 1080)),
        camera(film, model),
    ]
    faults: dict[int, Sight] = {}
    news: dict[int, Sight] = {}
    with watching(cameras) as vision:
        while len(news) < 4:
            said = vision.until(What.FAULT, What.NEWS, seconds=20)
            (faults if said.what is What.FAULT else news)[said.cell] = Sight(said.value)
    assert faults == {
        0: Sight.NO_MODEL, 1: Sight.BAD_MODEL, 2: Sight.OTHER_MODEL, 3: Sight.NO_CREDENTIAL,
        4: Sight.BAD_MODEL,
    }  # fmt: skip
    assert news == {5: Sight.NOT_FOUND, 6: Sight.UNREADABLE, 7: Sight.RESHAPED, 8: Sight.OK}
    assert vision.process.stderr is not None


def test_without_a_filter_around_no_camera_on_the_network_is_looked_at(model: Path) -> None:
    with watching([camera("rtsp://127.0.0.1:9/x", model)]) as vision:
        holes = vision.until(What.HOLES).value
        assert vision.hear() is None
        assert vision.process.wait(10) == 78
        assert vision.process.stderr is not None
        said = vision.process.stderr.read()
        assert said.startswith(b"<3>citygate-vision refuses to look at pictures")
        assert b"not confined: net:192.0.2.1" in said
        assert said.endswith(b"(vision-not-confined)\n")
    assert [name for place, name in enumerate(HOLES) if holes >> place & 1] == ["net:192.0.2.1"]


def test_a_unit_that_builds_no_cage_around_is_told_all_that_it_leaves_open(
    film: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    with watching([camera(film, model), camera("rtsp://127.0.0.1:9/x", model)]) as vision:
        holes = vision.until(What.HOLES).value
        assert vision.process.wait(10) == 78
    named = {name for place, name in enumerate(HOLES) if holes >> place & 1}
    assert {"disk:/tmp", "disk:.", "wx-memory", "net:192.0.2.1"} <= named
    assert not named & {"net:127.0.0.1", "exec", "bytes", "memfd", "udp"}


def test_without_a_plan_it_ends_and_says_why() -> None:
    done = subprocess.run([PROGRAM, "watch", "--fd", "0"], input=b"x", capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"<3>citygate-vision ends: no plan can be had: ")
    assert done.stderr.endswith(b"(vision-ends)\n")


def test_a_process_that_goes_on_with_holes_marks_every_record(model: Path) -> None:
    with watching([camera("rtsp://127.0.0.1:9/x", model)], words=["--unconfined"]) as vision:
        said = [vision.until(What.READY), vision.until(What.NEWS), vision.until(What.UNKNOWN)]
    assert said[1].value == Sight.REFUSED
    assert all(one.unconfined for one in said)


def test_nothing_of_a_picture_is_in_what_leaves(film: Path, model: Path) -> None:
    with watching([camera(film, model)]) as vision:
        vision.until(What.READY)
        cells = [vision.numbers() for _ in range(2)]
        vision.process.send_signal(signal.SIGTERM)
        assert vision.process.stderr is not None
        log = vision.process.stderr.read()
    assert cells
    left = b"".join(vision.raw) + log
    white = b"\xff" * 32  # a row of a square
    for pattern in (white, base64.b64encode(white), white.hex().encode(), b"\xff\xd8\xff", b"\x89PNG"):
        assert pattern not in left
    assert log == b""


@pytest.mark.long
def test_no_file_is_made_and_no_address_is_asked_for_in_a_minute(
    film: Path, model: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    before = [need("strace"), "-f", "-o", str(trace), "-e", "trace=socket,connect,open,openat,creat,execve"]
    with watching([camera(film, model)], width=5, before=before) as vision:
        vision.until(What.READY)
        for _ in range(18):
            vision.numbers()
    text = trace.read_text()
    worked = [line for line in text.splitlines() if "EPERM" not in line and "EACCES" not in line]
    assert not [line for line in worked if "AF_INET" in line and "SOCK_DGRAM" not in line]
    assert not [line for line in worked if WRITING.search(line) and ".citygate-probe" not in line]
    assert (
        sum("execve(" in line for line in worked) <= 2
    )  # strace's own, and the probe's that never came back
