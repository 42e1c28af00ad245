"""Pictures come over RTSP, MJPEG and JPEG; nothing blocks for longer than its time-out."""

from __future__ import annotations

import base64
import errno
import io
import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest

from agent.core.sight import Sight, What
from agent.core.stream import parse
from pipelines.vision.capture import opening
from pipelines.vision.capture.opening import SightError, reason
from pipelines.vision.capture.reader import Latest, Reader, _decoded
from pipelines.vision.clip import Scaler, Still
from pipelines.vision.outfit import Outfit
from pipelines.vision.rota import Source
from tests.peers.rtsp_camera import rtsp_camera
from tests.pipelines.vision.watched import bundle, camera, watching


def picture(number: int, size: tuple[int, int] = (320, 256)) -> av.VideoFrame:
    pixels = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return av.VideoFrame.from_ndarray(pixels, format="bgr24")


def film(path: Path, *, seconds: int = 20, size: tuple[int, int] = (320, 256)) -> Path:
    """Write a clip as a camera would send it: H.264 without B-frames, a key frame each second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": "10", "bf": "0"}
        for number in range(10 * seconds):
            frame = picture(number % 7, size)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def jpeg(number: int) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 320, 256, "yuvj420p"
        container.mux(stream.encode(picture(number).reformat(format="yuvj420p")))
        container.mux(stream.encode())
    return buffer.getvalue()


class Page(BaseHTTPRequestHandler):
    """A camera's web server: /mjpeg, /shot.jpg, and /closed for who has no password."""

    pictures = tuple(jpeg(number) for number in range(5))

    def do_GET(self) -> None:
        wanted = "Basic " + base64.b64encode(b"me:pass word/@").decode()
        if self.path == "/closed" and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        if self.path == "/nothing":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path == "/cut":  # a camera that begins a picture and breaks down
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            self.wfile.write(b"--next\r\nContent-Type: image/jpeg\r\n")
            return
        if self.path == "/shot.jpg":
            self.send_header("Content-Type", "image/jpeg")
            self.end_headers()
            self.wfile.write(self.pictures[int(time.monotonic() * 10) % 5])
            return
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        try:
            for number in range(100):
                one = self.pictures[number % 5]
                if self.path == "/damaged" and number % 2:
                    one = b"\xff\xd8" + b"x" * 500
                head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(one)}\r\n\r\n"
                self.wfile.write(head.encode() + one + b"\r\n")
                time.sleep(0.05)
        except OSError:
            pass  # the reader has hung up

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def page() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextmanager
def reading(source: str, user: str = "", password: str = "", *, keyframes: bool = False) -> Iterator[Latest]:
    latest = Latest(threading.Condition(), time.monotonic)
    where = Outfit(parse(source), user, password, None)  # type: ignore[arg-type]
    reader = Reader(where, latest, rate=10, keyframes=keyframes)
    reader.start()
    try:
        yield latest
    finally:
        latest.gone = True
        reader.join(15)
        assert not reader.is_alive()


def taken(latest: Latest, many: int, seconds: float = 10.0) -> list[float]:
    """Take so many pictures, and give when they were taken."""
    found: list[float] = []
    until = time.monotonic() + seconds
    while len(found) < many and time.monotonic() < until:
        if (still := latest.take()) is not None:
            assert (still.width, still.height) == (320, 256)
            assert still.luma(32, 24).std() > 0
            found.append(still.at)
        time.sleep(0.01)
    return found


@pytest.mark.parametrize("path", ["mjpeg", "shot.jpg"])
def test_pictures_come_over_http(page: int, path: str) -> None:
    with reading(f"http://127.0.0.1:{page}/{path}") as latest:
        stamps = taken(latest, 5)
    assert len(stamps) == 5
    assert stamps == sorted(stamps)


def test_a_camera_that_wants_a_password_gets_it(page: int) -> None:
    with reading(f"http://127.0.0.1:{page}/closed", "me", "pass word/@") as latest:
        assert taken(latest, 2)
    with reading(f"http://127.0.0.1:{page}/closed", "me", "wrong") as latest:
        assert not taken(latest, 1, 0.5)
        assert latest.sight is Sight.UNAUTHORISED


def test_a_camera_without_that_stream_says_so(page: int) -> None:
    with reading(f"http://127.0.0.1:{page}/nothing") as latest:
        assert not taken(latest, 1, 0.5)
        assert latest.sight is Sight.NOT_FOUND


def test_a_damaged_picture_among_good_ones_is_left_out(page: int) -> None:
    with reading(f"http://127.0.0.1:{page}/damaged") as latest:
        assert len(taken(latest, 5)) == 5
        assert latest.sight is Sight.OK


def test_a_stream_that_ends_before_its_first_picture_is_no_picture(page: int) -> None:
    with reading(f"http://127.0.0.1:{page}/cut") as latest:
        assert not taken(latest, 1, 0.5)
        assert latest.sight is not Sight.OK


def test_a_stream_of_sound_alone_says_that_it_holds_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with reading(f"file:{tmp_path / 'sound.wav'}") as latest:
        assert not taken(latest, 1, 0.3)
        assert latest.sight is Sight.NO_VIDEO


def test_a_camera_whose_clock_leaps_is_followed_by_the_time_of_arrival() -> None:
    at = 100.0
    latest = Latest(threading.Condition(), lambda: at)
    where = Outfit(parse("rtsp://127.0.0.1:9/x"), "", "", None)  # type: ignore[arg-type]
    reader = Reader(where, latest)
    told = [reader._stamp(7.0)]
    at = 100.6
    told.append(reader._stamp(7.5))
    at = 101.0
    told += [reader._stamp(9000.0), reader._stamp(9000.1), reader._stamp(None)]
    assert told == pytest.approx([100.0, 100.5, 101.0, 101.1, 101.0])


@pytest.mark.parametrize(
    ("number", "source", "sight"),
    [
        (errno.EBUSY, "/dev/video0", Sight.BUSY),
        (errno.EACCES, "/dev/video0", Sight.BUSY),
        (errno.EACCES, "rtsp://10.0.0.9/x", Sight.FILTERED),
        (errno.ENODEV, "/dev/video0", Sight.NOT_FOUND),
        (errno.EIO, "/dev/video0", Sight.UNREADABLE),
        (errno.EHOSTUNREACH, "rtsp://10.0.0.9/x", Sight.UNREACHABLE),
    ],
)
def test_what_the_library_could_not_do_becomes_one_word(number: int, source: str, sight: Sight) -> None:
    assert reason(OSError(number, "rtsp://me:secret@10.0.0.9/x"), parse(source)) is sight


def test_a_clip_is_played_at_its_own_speed_over_and_over(tmp_path: Path) -> None:
    with reading(f"file:{film(tmp_path / 'short.mp4', seconds=1)}") as latest:
        stamps = taken(latest, 15)
    assert stamps[-1] - stamps[0] == pytest.approx(1.4, abs=0.3)
    assert stamps == sorted(stamps)


def test_a_picture_that_comes_before_it_is_wanted_wakes_nobody() -> None:
    rung: list[int] = []

    class Ring(threading.Condition):
        def notify(self, n: int = 1) -> None:
            rung.append(n)

    at = 10.0
    latest = Latest(Ring(), lambda: at)
    latest.due = 10.2
    still = Still(picture(0), at, Scaler())
    latest.put(still)
    assert not rung
    assert latest.waits
    at = 10.2
    latest.put(still)
    assert rung == [1]


def test_of_key_frames_alone_one_comes_each_second(tmp_path: Path) -> None:
    film(tmp_path / "street.mp4", seconds=5)
    with rtsp_camera(tmp_path) as (_, port):
        source = f"rtsp://127.0.0.1:{port}/street.mp4?play_count=0"
        with reading(source, keyframes=True) as latest:
            seldom = taken(latest, 4)
        with reading(source) as latest:
            often = taken(latest, 6)
    # the first comes late: the stream must be understood before
    assert np.diff(seldom[1:]) == pytest.approx(1, abs=0.3)
    assert np.median(np.diff(often)) < 0.3


def test_a_reader_that_hangs_is_replaced_from_outside_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library is not trusted to keep its time-outs: here it never comes back."""
    stuck, now = threading.Event(), [100.0]

    def hang(*_: object) -> None:
        stuck.wait(60)
        raise SightError(Sight.UNREACHABLE)

    monkeypatch.setattr("pipelines.vision.capture.reader.opened", hang)
    one = camera("rtsp://127.0.0.1:9/x", tmp_path)
    where = Outfit(parse(one.source), "", "", None)  # type: ignore[arg-type]
    source = Source(one, where, threading.Condition(), lambda: now[0])
    assert source.sight() is None
    now[0] += 5
    assert source.sight() is Sight.SILENT
    first = source.latest
    begun = threading.active_count()
    for _ in range(10):
        now[0] += 20
        assert source.sight() is Sight.SILENT
    assert first.gone
    assert source.latest is not first
    assert threading.active_count() - begun == 3
    source.end()
    stuck.set()


@pytest.mark.long
def test_a_frozen_camera_is_told_within_six_seconds_and_no_other_notices(tmp_path: Path) -> None:
    film(tmp_path / "street.mp4")
    model = bundle(tmp_path)
    with rtsp_camera(tmp_path) as (frozen, port), rtsp_camera(tmp_path) as (_, other):
        both = [camera(f"rtsp://127.0.0.1:{one}/street.mp4?play_count=0", model) for one in (port, other)]
        with watching(both, width=2, words=["--unconfined"]) as vision:
            for _ in both:
                assert vision.until(What.NEWS, value=Sight.OK).value == Sight.OK
            before = vision.numbers()
            frozen.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            assert vision.until(What.NEWS).cell == 0
            assert time.monotonic() - began < 6
            told = [vision.numbers() for _ in range(4)]
            frozen.send_signal(signal.SIGCONT)
            assert vision.until(What.NEWS, value=Sight.OK, seconds=45).cell == 0
    # numbers of the second camera, which come last
    assert before["analysis_rate"] is not None
    assert all((one["analysis_rate"] or 0) > 4 for one in told)


def test_a_camera_that_breaks_down_before_its_first_picture_says_how(tmp_path: Path) -> None:
    latest = Latest(threading.Condition(), time.monotonic)
    where = Outfit(parse("rtsp://127.0.0.1:9/x"), "", "", None)  # type: ignore[arg-type]
    reader = Reader(where, latest)
    with av.open(str(film(tmp_path / "short.mp4", seconds=1))) as container:

        class Broken:
            streams = container.streams

            def demux(self, _: object) -> Iterator[object]:
                raise OSError(errno.EHOSTUNREACH, "rtsp://me:secret@127.0.0.1/x")

        with pytest.raises(SightError) as caught:
            reader._read(Broken())  # type: ignore[arg-type]
    assert caught.value.sight is Sight.UNREACHABLE
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("source", "tries"), [("rtsp://10.0.0.9/x", 1), ("http://10.0.0.9/x", 2)])
def test_only_over_http_a_single_picture_is_tried_where_a_stream_is_none(
    source: str, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms: list[str | None] = []

    def refuses(_: str, __: str, form: str | None) -> None:
        forms.append(form)
        raise av.ArgumentError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(opening, "_open", refuses)
    with pytest.raises(SightError) as caught:
        opening.opened(parse(source), "", "")
    assert caught.value.sight is Sight.UNREACHABLE
    assert forms == [None, "jpeg_pipe"][:tries]


def test_pictures_that_nobody_waits_for_are_decoded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bunches: list[int] = []

    def noted(packets: Sequence[av.Packet[av.VideoStream]]) -> list[av.VideoFrame]:
        frames = _decoded(packets)
        bunches.append(len(frames))
        return frames

    monkeypatch.setattr("pipelines.vision.capture.reader._decoded", noted)
    where = Outfit(parse(f"file:{film(tmp_path / 'film.mp4', seconds=2)}"), "", "", None)  # type: ignore[arg-type]
    latest = Latest(threading.Condition(), time.monotonic)
    latest.due = math.inf
    with opening.opened(where.stream, "", "") as container:
        assert Reader(where, latest)._read(container) == 20
    assert sum(bunches) == 20
    assert len(bunches) < 5, "at most a second's packets are held"
