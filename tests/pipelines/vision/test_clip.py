"""A clip gives the pictures that are wanted, at their times, in the size that is asked for."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace, VideoReformatter
from msgspec.structs import replace

from agent.core.errors import GatewayError
from agent.core.vision import Count
from pipelines.vision.clip import Clip, Scaler, Still
from pipelines.vision.count import count
from tests.pipelines.vision.clips import RATE, clip
from tests.pipelines.vision.watched import GATE, bundle

MATRIX = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)  # as it lies


def still(_: int) -> list[tuple[int, int]]:
    return [(160, 128)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("clips") / "squares.mp4", 20, still)


def test_pictures_come_at_their_own_times(file: Path) -> None:
    assert [round(one.at * RATE) for one in Clip(file)] == list(range(20))


def test_only_each_fourth_is_given_but_all_are_decoded(file: Path) -> None:
    source = Clip(file, every=4)
    assert [round(one.at * RATE) for one in source] == [0, 4, 8, 12, 16]
    assert source.done == source.frames == 20


def test_a_person_may_know_the_rate_better_than_the_file(file: Path) -> None:
    assert [one.at for one in Clip(file, every=5, rate=10)] == [0.0, 0.5, 1.0, 1.5]


def test_a_picture_is_scaled_to_any_size(file: Path) -> None:
    first = next(iter(Clip(file)))
    pixels = first.bgr(80, 64)
    assert pixels.shape == (64, 80, 3)
    assert pixels[36, 44].min() > 240
    assert pixels[10, 10].max() < 15


@pytest.mark.parametrize("colours", [Colorspace.ITU601, Colorspace.ITU709], ids=["601", "709"])
@pytest.mark.parametrize("layout", ["yuv420p", "yuvj420p", "yuyv422", "nv12", "bgr24"])
def test_colours_are_those_that_were_sent_however_they_came(layout: str, colours: Colorspace) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((90, 160, 3), (30, 40, 220), np.uint8), format="bgr24")
    sent = VideoReformatter().reformat(frame, format=layout, dst_colorspace=colours)
    one = Still(sent, 0.0, Scaler())
    assert one.luma(79, 45).shape == (45, 79)  # odd sizes too
    assert one.luma(79, 45).std() < 2
    assert one.bgr(79, 45)[20, 40].tolist() == pytest.approx([30, 40, 220], abs=4)


def test_brightness_and_colours_of_one_size_are_scaled_once() -> None:
    frame = av.VideoFrame.from_ndarray(np.zeros((90, 160, 3), np.uint8), format="bgr24")
    asked: list[int] = []

    class Counting(Scaler):
        def small(self, frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
            asked.append(width)
            return super().small(frame, width, height)

    one = Still(frame, 0.0, Counting())
    one.luma(80, 45)
    one.bgr(80, 45)
    one.bgr(40, 22)
    assert asked == [80, 40]


def test_a_clip_of_a_telephone_held_upright_is_upright(tmp_path: Path) -> None:
    path = clip(tmp_path / "upright.mp4", 2, lambda _: [(288, 0)])  # white in the upper right corner
    data = path.read_bytes()
    track = data.index(b"tkhd")
    at = data.index(MATRIX, track)
    turned = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 256 << 16, 0, 1 << 30)  # a quarter clockwise
    path.write_bytes(data[:at] + turned + data[at + len(turned) :])
    first = next(iter(Clip(path)))
    assert (first.width, first.height) == (256, 320)
    pixels = first.bgr(256, 320)
    assert pixels.shape == (320, 256, 3)
    assert pixels[304, 240].min() > 240  # the lower right one
    assert pixels[16, 16].max() < 15
    assert first.luma(128, 160)[152, 120] > 200  # where something moves is told of the upright picture too


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("none.mp4", None, "no such file"), ("text.mp4", b"not a video at all", "cannot be read as a video")],
)
def test_what_is_no_clip_is_refused(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GatewayError, match=says):
        list(Clip(path))


def test_a_file_of_sound_alone_is_no_clip(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(GatewayError, match=r"sound\.wav holds no video"):
        list(Clip(tmp_path / "sound.wav"))


def raw(path: Path, pictures: int) -> Path:
    """Write pictures one after the other, as some recorders do: nobody knows how many they are."""
    with av.open(str(path), "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 256, "yuvj420p"
        for _ in range(pictures):
            frame = av.VideoFrame.from_ndarray(np.full((256, 320, 3), 60, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_how_far_it_is_in_a_clip_of_unknown_length_is_told_by_pictures(tmp_path: Path) -> None:
    said: list[str] = []
    film = raw(tmp_path / "film.mjpeg", 30)
    request = Count(path=str(bundle(tmp_path)), clip=str(film), scene=GATE)
    assert count(request, said.append).pictures == 30
    assert said == ["frame 1", "frame 26"]


def test_a_clip_of_another_shape_than_the_still_is_not_counted(tmp_path: Path) -> None:
    film = raw(tmp_path / "film.mjpeg", 3)
    request = Count(path=str(bundle(tmp_path)), clip=str(film), scene=GATE, picture=(640, 512))
    assert count(request, lambda _: None).pictures == 3
    with pytest.raises(GatewayError, match=r"shows 320 x 256, and the lines were drawn over 640 x 360"):
        count(replace(request, picture=(640, 360)), lambda _: None)


def test_a_clip_that_was_never_begun_counts_nothing(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "empty.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 256, "yuv420p"
        container.start_encoding()
    with pytest.raises(GatewayError, match=r"empty\.avi holds no picture"):
        count(Count(path=str(bundle(tmp_path)), clip=str(tmp_path / "empty.avi"), scene=GATE), print)
