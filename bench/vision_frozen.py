"""How soon a frozen camera is told: its server stops, and every connection to it stays open.

Against PyAV alone with the same time-outs, reading from the same server: what a reader could know at best.
With its defaults it would wait for ever. Both count from the moment at which the server stops.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from typing import Final

from bench._eye import cameras, eye
from bench._report import Figure, show
from pipelines.vision.capture.opening import opened

_AIM: Final = 6.0  # seconds
_ROUNDS: Final = 3
_APART: Final = 0.3  # seconds by which rounds differ, so that none falls on the same moment of a look


def main() -> None:
    """Freeze it some times and take the worst of each."""
    rounds = [asyncio.run(_frozen(2.0 + number * _APART)) for number in range(_ROUNDS)]
    ours, bare = (max(one) for one in zip(*rounds, strict=True))
    show([
        Figure(
            name="vision_frozen.told", what="a frozen camera is told", value=ours, unit="s",
            against="PyAV with the same time-outs", floor=bare, aim=_AIM,
        )
    ])  # fmt: skip


async def _frozen(after: float) -> tuple[float, float]:
    """Give the seconds that ours and a bare reader took."""
    with cameras("480p", 1) as (server, [source]):
        async with eye([source], unconfined=True) as one:
            await one.change(0, good=True)
            noticed: list[float] = []
            reader = threading.Thread(target=_read, args=(source, noticed))
            reader.start()
            await asyncio.sleep(after)
            server.send_signal(signal.SIGSTOP)
            begun = time.monotonic()
            await one.change(0, good=False)
            ours = time.monotonic() - begun
            await asyncio.to_thread(reader.join)
            return ours, noticed[0] - begun


def _read(source: str, noticed: list[float]) -> None:
    """Read until nothing comes any more."""
    import av

    from agent.core.stream import parse

    with opened(parse(source), "", "") as container:
        try:
            for _ in container.demux(video=0):
                pass
        except av.FFmpegError:
            pass
        noticed.append(time.monotonic())


if __name__ == "__main__":
    main()
