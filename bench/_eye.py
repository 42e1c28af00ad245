"""The process that sees pixels, at work: started as the agent starts it, heard as the agent hears it.

Of a film it makes a whole cage. Of a camera on loopback it goes on with the one hole that it names, since
only a unit of the service manager can keep it from other addresses.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from subprocess import Popen
from typing import Final

from agent.core.clock import SystemClock
from agent.core.scene import Line, Scene
from agent.core.sight import ANALYSED, Camera, Sight, Watch, cells
from bench._film import BUILD, MODEL, film, model
from drivers.cameras.line import Line as Wire
from drivers.cameras.line import opened
from drivers.cameras.records import Holes, News, Numbers, Ready, Receiver, Told
from tests.peers.rtsp_camera import rtsp_camera

WIDTH: Final = 2  # seconds of a cell
_SCENE: Final = Scene(lines={"gate": Line(start=(0.5, 0.9), end=(0.5, 0.1))})
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Eye:
    """One process: what it says, what it has spent, what it holds."""

    def __init__(self, wire: Wire, watch: Watch, process: int) -> None:
        self.process = process
        self._wire = wire
        self._clock = SystemClock()
        self._receiver = Receiver(watch, self._clock.boot())
        self._table = cells(watch)

    async def hear(self, wanted: Callable[[Told], bool], seconds: float = 60.0) -> Told:
        """Give the next word that is *wanted*."""
        async with asyncio.timeout(seconds):
            while True:
                told = self._receiver.take(await self._wire.hear(), self._clock.boot())
                if isinstance(told, Holes):
                    raise SystemExit(f"the process that sees pixels is not confined: {told.names}")
                if told is not None and wanted(told):
                    return told

    async def cell(self) -> list[dict[str, float]]:
        """Give the numbers of the next cell, a table for each camera."""
        told = await self.hear(lambda one: isinstance(one, Numbers))
        assert isinstance(told, Numbers)
        tables: dict[int, dict[str, float]] = {}
        for cell, value in zip(self._table, told.values, strict=True):
            tables.setdefault(cell.camera, {})[cell.name] = value or 0.0
        return list(tables.values())

    async def settle(self, cells: int = 1) -> None:
        """Wait until all cameras were looked at for a whole cell, and so many *cells* more."""
        while not all(one[ANALYSED] > 0.9 * WIDTH for one in await self.cell()):
            pass
        for _ in range(cells):
            await self.cell()

    async def change(self, camera: int, *, good: bool) -> None:
        """Wait until *camera* is said to be good, or not to be."""

        def is_it(told: Told) -> bool:
            return isinstance(told, News) and told.camera == camera and (told.sight is Sight.OK) is good

        await self.hear(is_it)

    def spent(self) -> float:
        """Give the seconds of CPU of all its threads since it began."""
        fields = Path(f"/proc/{self.process}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident(self) -> float:
        """Give its RSS in MB."""
        return resident(self.process)


@asynccontextmanager
async def eye(sources: Sequence[str], *, unconfined: bool = False) -> AsyncIterator[Eye]:
    """Have *sources* counted for as long as the block lasts."""
    path = str((model() / f"{MODEL}.citymodel").absolute())
    cameras = tuple(
        Camera(name=f"camera-{number}", source=one, model=path, scene=_SCENE)
        for number, one in enumerate(sources)
    )
    watch = Watch(cameras=cameras, width=WIDTH, offset=time.time() - SystemClock().boot())
    before = _children()
    async with opened(watch, unconfined=unconfined) as wire:
        [process] = _children() - before
        one = Eye(wire, watch, process)
        await one.hear(lambda told: isinstance(told, Ready))
        yield one


@contextmanager
def cameras(size: str, many: int) -> Iterator[tuple[Popen[bytes], list[str]]]:
    """Serve the film over RTSP *many* times at once; give the server, and each camera's address."""
    os.environ["CITYGATE_PEERS"] = "required"  # it is installed if it is not there
    name = film(size).name
    with rtsp_camera(BUILD) as (server, port):
        yield server, [f"rtsp://127.0.0.1:{port}/{name}?play_count=0"] * many


def before_others() -> None:
    """Keep whatever else this computer does behind us and our children, where we may do that."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def resident(process: int | str) -> float:
    """Give the RSS of *process* in MB."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(one.split()[1]) for one in lines if one.startswith("Rss:")) * 1024 / 1e6


def _children() -> set[int]:
    return {int(one) for one in Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii").split()}
