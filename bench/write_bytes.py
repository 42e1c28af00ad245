"""Bytes that a day of 40 points writes to disk, through the real outbox: one product for one recipient.

Method: a private ext4 file system on a loop device, and the device's own counter of sectors written, so that
SQLite's log, checkpoints, the file system's journal and metadata all count. Every window is put, committed,
taken and acknowledged, and old rows are let go, as in the steady state of a full ledger. Two paces are
measured, because a day takes a day: *fast* tells what a commit costs with its share of checkpoints and
pruning; *alone*, with a pause after each commit so long that the kernel has written everything that belongs
to it (ext4 commits its journal after 5 s, dirty inodes follow after 30 s), tells what the file system adds
to a commit that nothing accompanies. Their sum, times the windows of a day, is the figure. With 15-minute
windows an acknowledgement does not ride with the next window but is committed by itself.

Needs root. `--alone N` and `--fast N` set the number of commits measured.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC
from pathlib import Path
from typing import Final

from agent.core.clock import Instant
from agent.core.message import Place
from agent.core.plan import Plan
from agent.core.point import Point
from agent.core.product import Product, Route
from agent.core.record import Aggregate
from agent.encodings.native import Native
from agent.gate import Gate
from agent.outbox.outbox import Outbox
from bench._report import Figure, show

POINTS: Final = 40
PAUSE: Final = 36.0
KEPT_ROWS: Final = 200
NAMES: Final = ("supply_temp", "return_temp", "power", "energy", "co2", "humidity", "flow", "valve")
AIMS: Final = {1: 60.0, 15: 8.0}
DAY: Final = 1440


class Turned:
    """A clock that jumps from window to window."""

    boot_id = "6f1c22ab"

    def __init__(self) -> None:
        self.utc = 1_795_291_200.0

    def now(self) -> Instant:
        """Give this moment."""
        return Instant(self.utc - 1_795_200_000.0, self.utc)

    def boot(self) -> float:
        """Give seconds since boot."""
        return self.now().boot

    async def sleep(self, seconds: float) -> None:
        """Do not wait: nothing here does."""
        await asyncio.sleep(0 * seconds)


class Site:
    """Forty points of one product for one recipient, and the outbox they go to."""

    def __init__(self, minutes: int) -> None:
        self.clock = Turned()
        self.width = minutes * 60.0
        self.lone_cursor = self.width > 75.0
        points = tuple(Point(name=f"ahu-{n // 8}.{NAMES[n % 8]}", resolution=0.01) for n in range(POINTS))
        self.product = Product(
            id="climate", points=points, published=points, steps=(), window=self.width, span=f"{minutes}m",
            statistics=("mean", "min", "max"),
        )  # fmt: skip
        self.route = Route(
            recipient="city",
            product="climate",
            grant="g",
            purpose="operations",
            basis="public-task",
            keep=4e7,
        )
        place = Place(city="vaasa", site="library", gateway="gw1")
        self.encoding = Native(place)
        self.plan = Plan(
            place=place, timezone="UTC", links=(), products=(self.product,), recipients=(), grants=(),
            routes=(self.route,), policy="3b683cb786f6",
        )  # fmt: skip
        self.gate = Gate([self.product], [self.route], UTC)
        self.turn = 0
        self.body = 0

    async def open(self, folder: Path) -> Outbox:
        """Open a real outbox with its own thread."""
        outbox = await Outbox.open(folder, cap=64 << 20, keep=KEPT_ROWS * self.width, clock=self.clock)
        outbox.configure(self.plan, {"city": self.encoding})
        outbox.feed("city").online(True)
        return outbox

    async def window(self, outbox: Outbox, pause: float = 0.0) -> None:
        """Live through one window, with a *pause* after each commit."""
        self.turn += 1
        self.clock.utc += self.width
        start = self.clock.utc - self.width
        figures = [
            Aggregate(point.name, start, self.width, 12, _figures(self.turn, n))
            for n, point in enumerate(self.product.points)
        ]
        for cleared in self.gate.clear("climate", figures, self.clock.now()):
            outbox.put(cleared)
        outbox.save("climate", {f"ahu-{n}.energy": 81234.5 + self.turn + n for n in range(5)})
        await outbox.tend()
        await asyncio.sleep(pause)
        feed = outbox.feed("city")
        for row in await feed.take(20, 20, frozenset()):
            self.body = len(row.body)
            feed.acked(row)
        if self.lone_cursor:
            await outbox.flush()
            await asyncio.sleep(pause)


def _figures(turn: int, n: int) -> tuple[float, ...]:
    middle = 20.0 + (turn * 7 + n * 13) % 500 / 100
    return (middle, middle - 2.47, middle + 4.03)


async def measure(minutes: int, *, alone: int, fast: int) -> dict[str, float]:
    """Give bytes per window: in a hurry, and what the file system adds where a commit stands alone."""
    with disk() as (folder, device):
        site = Site(minutes)
        outbox = await site.open(folder)
        for _ in range(KEPT_ROWS + 80):
            await site.window(outbox)
        bulk = await _whole(site, outbox, (folder, device), fast)
        dense = await _run(site, outbox, (folder, device), alone)
        slow = await _run(site, outbox, (folder, device), alone, pause=PAUSE)
        await outbox.close()
    added = max(0.0, slow - dense)
    return {"body": site.body, "fast": bulk, "added": added, "window": bulk + added}


async def _run(
    site: Site, outbox: Outbox, where: tuple[Path, str], windows: int, *, pause: float = 0.0
) -> float:
    """Give the bytes of a window; those that wait for the file system are not among them."""
    folder, device = where
    settle(folder)
    before = written(device)
    for _ in range(windows):
        await site.window(outbox, pause)
    return (written(device) - before) / windows


async def _whole(site: Site, outbox: Outbox, where: tuple[Path, str], windows: int) -> float:
    """Give the bytes of a window with all that the file system wrote for it later."""
    folder, device = where
    settle(folder)
    before = written(device)
    await _run(site, outbox, where, windows)
    settle(folder)
    return (written(device) - before) / windows


def naive(windows: int) -> float:
    """Give bytes per window of what one would write first: a row per point, each in a commit of its own."""
    with (
        disk() as (folder, device),
        closing(sqlite3.connect(folder / "naive.db", isolation_level=None)) as db,
    ):
        db.execute("CREATE TABLE sample(at REAL, point TEXT, value REAL)")
        settle(folder)
        before = written(device)
        for turn in range(windows):
            for n in range(POINTS):
                row = (time.time(), f"ahu-{n // 8}.{NAMES[n % 8]}", _figures(turn, n)[0])
                db.execute("INSERT INTO sample VALUES(?,?,?)", row)
        settle(folder)
        return (written(device) - before) / windows


def settle(folder: Path) -> None:
    """Have this file system, and no other, write what it holds back."""
    call("sync", "--file-system", str(folder))


def written(device: str) -> int:
    """Give the bytes that reached the device (Documentation/block/stat.rst, field 7)."""
    return int(Path(f"/sys/block/{device}/stat").read_text().split()[6]) * 512


@contextmanager
def disk() -> Iterator[tuple[Path, str]]:
    """Make a private ext4 disk in memory, where it can be, and give its folder and device."""
    room = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - an unguessable name below it
    with tempfile.TemporaryDirectory(prefix="citygate-bench-", dir=room) as name:
        image, folder = Path(name) / "disk.img", Path(name) / "disk"
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(300 << 20)
        call("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image))
        device = call("losetup", "--find", "--show", str(image))
        try:
            call("mount", "-o", "noatime", device, str(folder))
            try:
                yield folder, Path(device).name
            finally:
                call("umount", str(folder))
        finally:
            call("losetup", "--detach", device)


def call(*command: str) -> str:
    """Run a program and give what it said."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> int:
    """Print a table for people, and each figure as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alone", type=int, default=4, help="windows measured with pauses")
    parser.add_argument("--fast", type=int, default=640, help="windows measured without")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("write_bytes: skipped, it needs root to make a disk of its own", file=sys.stderr)
        return 0
    bare = naive(20)
    figures = []
    for minutes, found in asyncio.run(measure_all(options.alone, options.fast)).items():
        whole, alone = found["window"] / 1000, found["added"] / 1000
        print(
            f"{minutes:>2}-minute windows: {whole:.1f} KB each, {alone:.1f} of them for standing alone;"
            f" its body has {found['body']:.0f} bytes"
        )
        windows = DAY / minutes / 1e6
        figures.append(
            Figure(
                name=f"write_bytes.day_{minutes}m", what=f"a day of 40 points, {minutes}-minute windows",
                value=found["window"] * windows, unit="MB", against="a row per point and window",
                floor=bare * windows, aim=AIMS[minutes],
            )
        )  # fmt: skip
    show(figures)
    return 0


async def measure_all(alone: int, fast: int) -> dict[int, dict[str, float]]:
    """Measure all widths side by side, each on a disk of its own."""
    async with asyncio.TaskGroup() as group:
        tasks = {minutes: group.create_task(measure(minutes, alone=alone, fast=fast)) for minutes in AIMS}
    return {minutes: task.result() for minutes, task in tasks.items()}


if __name__ == "__main__":
    sys.exit(main())
