"""CPU of counting one camera: per second of video, 25 frames decoded and five of them analysed.

Against the least that it could be (PyAV decodes, the model runs, nothing else, on the same frames) and
against the way that first comes to mind (`cv2.VideoCapture`, a session with the library's defaults). Each
runs in a process of its own, at the pace of the camera: only then a session that spins shows it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench._film import BUILD, MODEL, RATE, SECONDS, SIZES, film, model
from bench._report import Figure, show

_EVERY: Final = RATE // 5
_ROUNDS: Final = 3
_WARM: Final = 3  # runs before it counts


def main() -> None:
    """Measure the three ways in turn, three times, and take the least of each."""
    model()
    figures = []
    for size in SIZES:
        film(size)
        spent: dict[str, float] = dict.fromkeys(_WAYS, float("inf"))
        for _ in range(_ROUNDS):
            for way in _WAYS:
                spent[way] = min(spent[way], _child(way, size))
        for against, name, aim in (
            ("floor", "bare decoding and inference", 1.15),
            ("naive", "cv2.VideoCapture and a default session", 0.5),
        ):
            figures.append(
                Figure(
                    name=f"vision_cpu.{size}_{against}", what=f"counting at {size}", value=spent["ours"],
                    unit="ms of CPU a second", against=name, floor=spent[against], aim=aim * spent[against],
                )
            )  # fmt: skip
    show(figures)


def _child(way: str, size: str) -> float:
    words = [sys.executable, "-m", "bench.vision_cpu", way, size]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


def _ours(path: Path) -> float:
    from agent.core.scene import Line, Scene
    from pipelines.vision.clip import Clip
    from pipelines.vision.models.build import opened
    from pipelines.vision.models.bundle import read
    from pipelines.vision.tally import Tally

    bundle = read(BUILD / f"{MODEL}.citymodel")
    detector = opened(bundle.model, bundle.manifest.about.family)
    scene = Scene(lines={"gate": Line(start=(0.5, 0.9), end=(0.5, 0.1))})
    tally = Tally(scene, 16 / 9, 0.0)
    for picture in Clip(path):
        for _ in range(_WARM):
            detector.find(picture)
        break
    pace = _Pace()
    for picture in Clip(path, every=_EVERY):
        pace.wait(picture.at)
        tally.take(detector.find(picture), picture.at)
    return pace.spent()


def _floor(path: Path) -> float:
    import av

    from pipelines.vision.clip import Clip, one_thread
    from pipelines.vision.models.build import opened
    from pipelines.vision.models.bundle import read

    bundle = read(BUILD / f"{MODEL}.citymodel")
    detector = opened(bundle.model, bundle.manifest.about.family)
    tensors = [detector.prepare(one) for one in Clip(path, every=_EVERY)]
    for tensor in tensors[:_WARM]:
        detector.run(tensor)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        one_thread(stream)
        pace = _Pace()
        for number, _ in enumerate(container.decode(stream)):
            if number % _EVERY == 0:
                pace.wait(number / RATE)
                detector.run(tensors[number // _EVERY])
        return pace.spent()


def _naive(path: Path) -> float:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import cv2
    import numpy as np
    import onnxruntime

    from pipelines.vision.models.bundle import read

    session = onnxruntime.InferenceSession(read(BUILD / f"{MODEL}.citymodel").model)
    name, (_, _, height, width) = session.get_inputs()[0].name, session.get_inputs()[0].shape
    for _ in range(_WARM):
        session.run(None, {name: np.zeros((1, 3, height, width), np.float32)})
    video = cv2.VideoCapture(str(path))
    pace, number = _Pace(), 0
    while True:
        going, frame = video.read()
        if not going:
            return pace.spent()
        if number % _EVERY == 0:
            pace.wait(number / RATE)
            small = cv2.resize(frame, (width, height)).astype(np.float32)
            session.run(None, {name: (small - 114).transpose(2, 0, 1)[None] / 57})
        number += 1


class _Pace:
    """Keeps to the times of a camera, and knows what was spent since."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._spent = time.process_time()

    def wait(self, at: float) -> None:
        """Sleep until *at* seconds after the beginning."""
        time.sleep(max(0.0, self._begun + at - time.perf_counter()))

    def spent(self) -> float:
        """Give the milliseconds of CPU, of all threads, for a second of video."""
        return (time.process_time() - self._spent) * 1000 / SECONDS


_WAYS: Final[dict[str, Callable[[Path], float]]] = {"ours": _ours, "floor": _floor, "naive": _naive}


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(_WAYS[sys.argv[1]](film(sys.argv[2]))))
    else:
        main()
