"""Days of backlog drain at the pace of the link, oldest first, while live windows pass it by."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from agent.core.clock import SystemClock
from tests.agent.uplink.kit import ROOT, until
from tests.agent.uplink.test_real_outbox import Site, site
from tests.peers import need
from tests.peers.mosquitto import Mosquitto

WINDOW: Final = 1.0
"""Seconds between two live windows of the other product."""
_TELLS: Final = "\n".join(
    f"log_type {one}" for one in ("error", "warning", "notice", "information", "subscribe")
)
_FIRST: Final = 2  # number of the first live window: the start of the run is 1
_LIVE: Final = 2  # windows that may wait for their commit when the backlog is gone
ROWS: Final = 40_000
GROWTH: Final = 8.0
"""MB of memory that draining may cost."""


class Drained(Struct, frozen=True, kw_only=True):
    """What was seen: rows a second, MB more than before, the latest live window, and numbers as they came.

    A live window waits for the next commit, which is a second away at most, and for what is under way.
    """

    rate: float
    growth: float
    latest: float
    backlog: list[int]


async def drain(folder: Path, rows: int) -> Drained:
    """Fill an outbox without a broker; then start one, and publish a live window each second beside it."""
    # what a subscriber cannot take at once must wait for it, or the broker would lose it
    broker, put = Mosquitto(folder, more=f"max_queued_messages 0\n{_TELLS}"), list[float]()
    energy, people = folder / "energy", folder / "people"
    async with site(folder, broker.port, SystemClock(), rate=0.0, cap=max(64 << 20, rows * 1200)) as running:
        await _fill(running, rows)
        assert running.outbox.queue("city").n >= rows
        broker.start()
        try:
            with _city(broker.port, "energy", energy), _city(broker.port, "people", people):
                # what is made before somebody listens waits for them, and is no live window
                await asyncio.to_thread(broker.wait_for, "d/people")
                before = most = _memory()
                begun = time.monotonic()
                await until(lambda: running.outbox.queue("city").n < rows)
                while running.outbox.queue("city").n > _LIVE:
                    assert running.task is not None
                    assert not running.task.done(), running.task.exception()
                    put.append(time.time())
                    running.window("people")
                    await asyncio.sleep(WINDOW)
                    most = max(most, _memory())
                took = time.monotonic() - begun
                last = f'{{"v":1,"k":"batch","e":1,"s":{len(put) - 1 + _FIRST},'.encode()
                await until(lambda: last in _end(people))
                await until(lambda: f'"s":{rows + 1},'.encode() in _end(energy))
        finally:
            broker.stop()
    late = [at - put[body["s"] - _FIRST] for at, body in _came(people) if body["k"] == "batch"]
    return Drained(
        rate=rows / took,
        growth=most - before,
        latest=max(late),
        backlog=[body["s"] for _, body in _came(energy)],
    )


def _came(file: Path) -> Iterator[tuple[float, dict[str, Any]]]:
    """Give what a subscriber got, with the moment."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            at, body = line.split(" ", 1)
            yield float(at), json.loads(body)


def _end(file: Path) -> bytes:
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 65536))
        return opened.read()


async def _fill(running: Site, rows: int) -> None:
    for number in range(rows):
        running.window("energy")
        if number % 1000 == 0:
            await running.outbox.flush()
    await running.outbox.flush()


def _memory() -> float:
    """Give the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def _city(port: int, product: str, into: Path) -> Iterator[None]:
    """Subscribe with mosquitto_sub, a process of its own; what arrives goes to a file, with its time."""
    words = [need("mosquitto_sub"), "-V", "5", "-p", str(port), "-q", "1", "-t", f"{ROOT}/d/{product}"]
    with into.open("wb") as file, subprocess.Popen([*words, "-F", "%U %p"], stdout=file) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


async def test_a_backlog_drains_in_order_and_holds_up_no_live_window(tmp_path: Path) -> None:
    found = await drain(tmp_path, ROWS)
    numbers = list(dict.fromkeys(found.backlog))
    wrong = next((one for one, seq in enumerate(numbers, 1) if one != seq), None)
    assert (wrong, len(numbers)) == (None, ROWS + 1), "a start, and the windows in order"
    assert found.growth < GROWTH
    assert found.latest < WINDOW + 2.0, "a live window waits for the next commit, and for nothing else"
