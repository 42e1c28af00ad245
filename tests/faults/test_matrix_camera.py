"""What befalls a camera, and what looks at its pictures, with the real daemon and its real cage."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import av
import pytest

from tests.faults.cameras import lives, train, watchers
from tests.faults.site import Daemon, until
from tests.faults.trial import Trial
from tests.pipelines.vision.clips import HEIGHT, WIDTH, picture
from tests.pipelines.vision.watched import bundle

_CAMERA = """
[link.square]
driver = "camera"
source = "file:{film}"
model = "toy"
cell = "5s"
[link.square.lines.gate]
from = [0.5, 0.95]
to = [0.5, 0.05]
"""
_SHARING = """
[product.flow]
from = ["square.gate.person_to_right"]
window = "5s"
late = "1s"
statistics = ["sum"]
privacy = { mode = "suppress", k = 2 }
[grant.flow]
recipient = "city"
products = ["flow"]
purpose = "demo"
basis = "public-task"
keep = "1d"
"""
_UNSEEN = 60.0
"""Seconds within which a fault of the picture must be told; that it stands still takes half a minute."""


def film(path: Path, *, walk: bool = True, light: float = 1.0, tall: int = HEIGHT) -> None:
    """Write what the camera shows for six seconds over what is there, every pixel as it is."""
    made = path.with_suffix(".made.mkv")
    with av.open(str(made), "w") as container:
        stream = container.add_stream("ffv1", rate=5)
        stream.width, stream.height, stream.pix_fmt = WIDTH, tall, "yuv420p"
        for number in range(30):
            pixels = (picture(train(number if walk else 0))[:tall] * light).astype("uint8")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")))
        container.mux(stream.encode())
    # the cage lets it open this file only; whoever reads it meanwhile sees no film for a moment
    path.write_bytes(made.read_bytes())


class Eye:
    """A trial whose site has a camera besides."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.film = trial.folder / "film.mkv"
        self.models = trial.folder / "state" / "models"
        film(self.film)

    def begin(self) -> None:
        """Start the gateway and wait until the camera is counted."""

        def prepare(daemon: Daemon) -> None:
            self.models.mkdir()
            bundle(self.models)
            daemon.environment |= lives(self.trial.folder)

        camera = _CAMERA.format(film=self.film)
        self.trial.begin(edit=lambda text: text + camera, share=lambda text: text + _SHARING, prepare=prepare)

    def sight(self) -> str:
        """Give how the gateway says that the camera does."""
        links: list[dict[str, Any]] = self.trial.status().get("links", [])
        return next((str(one["figures"].get("sight", "")) for one in links if one["name"] == "square"), "")

    def sees(self, sight: str) -> None:
        """Wait until the gateway and the city say so of the camera."""
        self.trial.wait(lambda: self.sight() == sight, seconds=_UNSEEN, what=f"a camera that is {sight}")
        self.trial.marked(sight)

    def process(self) -> int:
        """Give the process that looks at pictures."""
        gateway = self.trial.daemon.pid
        until(lambda: bool(watchers(gateway)), seconds=20, what="a process that looks at pictures")
        return watchers(gateway)[0]


@pytest.fixture
def eye(trial: Trial) -> Eye:
    return Eye(trial)


@pytest.mark.long
@pytest.mark.parametrize(
    ("sight", "shows"),
    [
        ("dark", {"light": 0.2}),
        ("frozen", {"walk": False}),
        ("reshaped", {"tall": HEIGHT // 2}),
    ],
    ids=["dark", "frozen", "reshaped"],
)
def test_a_picture_of_which_nothing_can_be_counted_is_told_and_no_count(
    eye: Eye, sight: str, shows: dict[str, Any]
) -> None:
    eye.begin()
    with eye.trial.hurt():
        film(eye.film, **shows)
        eye.sees(sight)
        film(eye.film)
    eye.trial.judge()


@pytest.mark.long
def test_a_camera_that_is_gone_is_told_and_counted_again_when_it_is_back(eye: Eye) -> None:
    eye.begin()
    away = eye.film.with_suffix(".away")
    with eye.trial.hurt():
        eye.film.rename(away)
        eye.sees("not_found")
        away.rename(eye.film)
    eye.trial.judge()


@pytest.mark.long
@pytest.mark.parametrize("sight", ["no_model", "bad_model"])
def test_a_model_that_is_missing_or_damaged_is_told_and_no_picture_is_counted(eye: Eye, sight: str) -> None:
    eye.begin()
    model = eye.models / "toy.citymodel"
    whole = model.read_bytes()
    with eye.trial.hurt():
        if sight == "no_model":
            model.unlink()
        else:
            model.write_bytes(whole[:-5000] + b"x" * 5000)
        os.kill(eye.process(), signal.SIGKILL)
        eye.sees(sight)
        model.write_bytes(whole)
        os.kill(eye.process(), signal.SIGKILL)
    eye.trial.judge()


@pytest.mark.long
def test_a_killed_process_of_pictures_is_started_again(eye: Eye) -> None:
    eye.begin()
    with eye.trial.hurt():
        os.kill(eye.process(), signal.SIGKILL)
    eye.trial.judge()
