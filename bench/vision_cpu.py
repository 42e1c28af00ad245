"""CPU of counting one camera: per second of video, 25 frames decoded and five of them analysed.

Ours is the real process in its whole cage, from the first frame to the records that the agent hears. It is
set against the least that it could be (PyAV decodes, the model runs, nothing else, on the same frames) and
against the way that first comes to mind (`cv2.VideoCapture`, a session with the defaults). Each runs in a
process of its own, at the pace of the camera: only then a session that spins shows it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from agent.core.sight import RATE as ACHIEVED
from bench._eye import before_others, eye
from bench._film import BUILD, MODEL, RATE, SIZES, film, model
from bench._report import Figure, show
from pipelines.vision.runtime import library

_EVERY: Final = RATE // 5
_ROUNDS: Final = {"floor": 5, "naive": 2}  # the naive way is so far off that noise decides nothing there
_WARM: Final = 3  # runs before it counts
_CELLS: Final = 6
_SECONDS: Final = 12  # as long as the cells are
_ENOUGH: Final = 0.94  # of the rate: a computer that is busy with something else measures nothing
_BUSY: Final = 75  # EX_TEMPFAIL: it may be less busy soon
_TRIES: Final = 4


def main() -> None:
    """Measure the three ways in turn, and take of each pair of ways the round in the middle."""
    model()
    before_others()
    figures = []
    for size in SIZES:
        film(size)
        pairs: dict[str, list[tuple[float, float]]] = {"floor": [], "naive": []}
        for number in range(max(_ROUNDS.values())):
            ours = _child("ours", size)
            for against, found in pairs.items():
                if number < _ROUNDS[against]:
                    found.append((ours, _child(against, size)))
        for against, name, aim in (
            ("floor", "bare decoding and inference", 1.15),
            ("naive", "cv2.VideoCapture and a default session", 0.5),
        ):
            value, floor = _middle(pairs[against])
            figures.append(
                Figure(
                    name=f"vision_cpu.{size}_{against}", what=f"counting at {size}", value=value,
                    unit="ms of CPU a second", against=name, floor=floor, aim=aim * floor,
                )
            )  # fmt: skip
    show(figures)


def _middle(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Give the pair whose ratio is the middle one: both of it were measured in the same minute."""
    return sorted(pairs, key=lambda one: one[0] / one[1])[len(pairs) // 2]


def _child(way: str, size: str) -> float:
    words = [sys.executable, "-m", "bench.vision_cpu", way, size]
    for _ in range(_TRIES):
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != _BUSY:
            break
    if done.returncode:
        sys.exit(f"counting at {size} could not be measured ({way})")
    return float(json.loads(done.stdout))


def _ours(path: Path) -> float:
    return asyncio.run(_counted(f"file:{path.absolute()}"))


async def _counted(source: str) -> float:
    async with eye([source]) as one:
        await one.settle()
        spent, begun = one.spent(), time.perf_counter()
        rates = [(await one.cell())[0][ACHIEVED] for _ in range(_CELLS)]
        taken = (one.spent() - spent) * 1000 / (time.perf_counter() - begun)
    achieved = sum(rates) / _CELLS
    if achieved < _ENOUGH * RATE / _EVERY:
        text = f"{achieved:.1f} pictures a second were looked at, not {RATE // _EVERY}: too busy to measure"
        print(text, file=sys.stderr)
        sys.exit(_BUSY)
    return taken


def _floor(path: Path) -> float:
    import av

    from pipelines.vision.clip import Clip, one_thread
    from pipelines.vision.models.build import opened
    from pipelines.vision.models.bundle import read

    bundle = read(BUILD / f"{MODEL}.citymodel")
    detector = opened(bundle.model, bundle.manifest.about.family)
    looked = islice(Clip(path, every=_EVERY), _SECONDS * RATE // _EVERY)
    tensors = [detector.prepare(one).copy() for one in looked]
    session = _bare(bundle.model)
    for tensor in tensors[:_WARM]:
        session.run(None, {detector.input: tensor})
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        one_thread(stream)
        pace = _Pace()
        for number, _ in enumerate(islice(container.decode(stream), _SECONDS * RATE)):
            if number % _EVERY == 0:
                pace.wait(number / RATE)
                session.run(None, {detector.input: tensors[number // _EVERY]})
        return pace.spent()


def _bare(model: bytes) -> Any:  # noqa: ANN401 - the library has no types
    """Load *model* for one thread, which is the least CPU, and nothing else."""
    ort = library()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


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
    pace = _Pace()
    for number in range(_SECONDS * RATE):
        _, frame = video.read()
        if number % _EVERY == 0:
            pace.wait(number / RATE)
            small = cv2.resize(frame, (width, height)).astype(np.float32)
            session.run(None, {name: (small - 114).transpose(2, 0, 1)[None] / 57})
    return pace.spent()


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
        return (time.process_time() - self._spent) * 1000 / _SECONDS


_WAYS: Final[dict[str, Callable[[Path], float]]] = {"ours": _ours, "floor": _floor, "naive": _naive}


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(_WAYS[sys.argv[1]](film(sys.argv[2]))))
    else:
        main()
