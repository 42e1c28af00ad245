"""Memory of the process that sees pixels, with one and with four cameras of 480p over RTSP, and one model.

Against a bare process that has loaded the same libraries and model and decodes as many films, one after the
other: what decoding and inference hold, with nothing around them and nothing given back.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Final

from bench._eye import cameras, eye, resident
from bench._film import BUILD, MODEL, film, model
from bench._report import Figure, show

_AIMS: Final = {1: 125.0, 4: 140.0}
_CELLS: Final = 8
_FRAMES: Final = 60


def main() -> None:
    """Measure and tell."""
    model()
    figures = []
    for many, aim in _AIMS.items():
        words = [sys.executable, "-m", "bench.vision_memory", str(many)]
        bare = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
        figures.append(
            Figure(
                name=f"vision_memory.cameras_{many}", what=f"RSS with {many} of 480p",
                value=asyncio.run(_ours(many)), unit="MB", against="bare decoding and inference", floor=bare,
                aim=aim,
            )
        )  # fmt: skip
    show(figures)


async def _ours(many: int) -> float:
    """Give the most that is seen while all cameras are counted."""
    with cameras("480p", many) as (_, sources):
        async with eye(sources, unconfined=True) as one:
            await one.settle()
            most = 0.0
            for _ in range(_CELLS):
                await one.cell()
                most = max(most, one.resident())
            return most


def _bare(many: int) -> float:
    import av

    from pipelines.vision.clip import Clip, one_thread
    from pipelines.vision.models.build import opened
    from pipelines.vision.models.bundle import read

    bundle = read(BUILD / f"{MODEL}.citymodel")
    detector = opened(bundle.model, bundle.manifest.about.family)
    del bundle
    picture = next(iter(Clip(film("480p"))))
    films = [av.open(str(film("480p"))) for _ in range(many)]
    for one in films:
        one_thread(one.streams.video[0])
    frames = [one.decode(video=0) for one in films]
    for _ in range(_FRAMES):
        held = [next(one) for one in frames]  # each camera's newest
    assert len(held) == many
    detector.run(detector.prepare(picture))
    return resident("self")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(json.dumps(_bare(int(sys.argv[1]))))
    else:
        main()
