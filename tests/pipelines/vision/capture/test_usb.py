"""A USB camera is counted in the whole cage, and what is wrong with one is told in the right word.

The reader's own code runs down to its system calls, where a camera of a few lines of C answers in the place
of the kernel (`tests/peers/usb_camera.c`), on any computer. The kernel's driver, the bus and what real ones
do against the book are not tried here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from agent.core.sight import Sight, What
from agent.core.stream import parse
from pipelines.vision.capture.opening import SightError, opened
from tests.peers import need
from tests.pipelines.vision.clips import HEIGHT, SQUARE, WIDTH, picture
from tests.pipelines.vision.watched import bundle, camera, watching

SOURCE = Path(__file__).parents[3] / "peers" / "usb_camera.c"
DEVICE = "/dev/video-of-a-test"


@pytest.fixture(scope="module")
def plug(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("usb") / "usb_camera.so"
    subprocess.run(
        [need("gcc"), "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(made), str(SOURCE)], check=True
    )
    return made


@pytest.fixture
def plugged(plug: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Have a camera on USB, for whoever is started from now on."""
    for name, value in {"": DEVICE, "_FORMAT": "YUYV", "_FILM": str(film(tmp_path, "YUYV"))}.items():
        monkeypatch.setenv(f"USB_CAMERA{name}", value)
    monkeypatch.setenv("LD_PRELOAD", str(plug))
    return monkeypatch


def film(folder: Path, name: str) -> Path:
    """Write four seconds in which a square comes across the middle to the right, and four without it."""
    path = folder / f"{name}.film"
    spots = [[((3 + number // 6) * SQUARE, 96)] for number in range(40)] + [[]] * 40
    sent = [_jpeg(one) if name == "MJPG" else _raw(one) for one in spots]
    path.write_bytes(b"".join(len(one).to_bytes(4, "little") + one for one in sent))
    return path


@pytest.mark.parametrize("name", ["YUYV", pytest.param("MJPG", marks=pytest.mark.long)])
def test_a_camera_on_usb_is_counted_in_the_whole_cage(
    name: str, plugged: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugged.setenv("USB_CAMERA_FORMAT", name)
    plugged.setenv("USB_CAMERA_FILM", str(film(tmp_path, name)))
    with watching([camera(DEVICE, bundle(tmp_path))]) as vision:
        assert vision.until(What.READY).value > 0
        assert vision.until(What.NEWS).value == Sight.OK
        cells = [vision.numbers() for _ in range(3)]
    assert sum(one["gate.person_to_right"] or 0 for one in cells) == 1
    assert sum(one["gate.person_to_left"] or 0 for one in cells) == 0
    assert cells[-1]["analysis_rate"] == pytest.approx(5, abs=1)


@pytest.mark.parametrize(
    ("mood", "sight"), [("busy", Sight.BUSY), ("forbidden", Sight.BUSY), ("a radio", Sight.NOT_FOUND)]
)
@pytest.mark.long
def test_what_is_wrong_with_a_camera_is_told(
    mood: str, sight: Sight, plugged: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugged.setenv("USB_CAMERA_IS", mood)
    assert first_word(tmp_path) is sight


@pytest.mark.long
def test_a_camera_that_sends_what_nobody_can_read_is_unreadable(
    plugged: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugged.setenv("USB_CAMERA_FORMAT", "ZZZZ")
    assert first_word(tmp_path) is Sight.UNREADABLE


@pytest.mark.long
def test_a_camera_that_is_pulled_out_is_counted_again_once_it_is_back(
    plugged: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugged.setenv("USB_CAMERA_IS", "pulled")
    with watching([camera(DEVICE, bundle(tmp_path))], width=2) as vision:
        assert vision.until(What.NEWS).value == Sight.OK
        assert vision.until(What.NEWS).value in (Sight.SILENT, Sight.NOT_FOUND)
        vision.until(What.NEWS, value=Sight.OK)
        vision.numbers()
        assert (vision.numbers()["analysis_rate"] or 0) > 4


@pytest.mark.long
def test_a_camera_that_stalls_is_told_and_does_not_hold_the_process(
    plugged: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The library has no time-out for devices: the reader hangs, and is seen to from outside."""
    plugged.setenv("USB_CAMERA_IS", "stalled")
    with watching([camera(DEVICE, bundle(tmp_path))], width=2) as vision:
        assert vision.until(What.NEWS).value == Sight.OK
        assert vision.until(What.NEWS, seconds=6).value == Sight.SILENT


@pytest.mark.parametrize(
    ("path", "sight"), [("/dev/video-that-is-not-there", Sight.NOT_FOUND), ("/dev/null", Sight.UNREADABLE)]
)
def test_a_device_that_is_no_camera_is_told(path: str, sight: Sight) -> None:
    with pytest.raises(SightError) as caught:
        opened(parse(path), "", "")
    assert caught.value.sight is sight


def first_word(folder: Path) -> Sight:
    with watching([camera(DEVICE, bundle(folder))], width=2) as vision:
        return Sight(vision.until(What.NEWS).value)


def _raw(spots: Sequence[tuple[int, int]]) -> bytes:
    pixels = picture(spots)
    made = np.full((HEIGHT, WIDTH, 2), 128, np.uint8)
    made[..., 0] = np.where(pixels[..., 0] > 0, 235, 16)
    return made.tobytes()


def _jpeg(spots: Sequence[tuple[int, int]]) -> bytes:
    coder = av.CodecContext.create("mjpeg", "w")
    coder.width, coder.height, coder.pix_fmt = WIDTH, HEIGHT, "yuvj422p"
    frame = av.VideoFrame.from_ndarray(picture(spots), format="bgr24").reformat(format="yuvj422p")
    return b"".join(bytes(one) for one in (*coder.encode(frame), *coder.encode(None)))
