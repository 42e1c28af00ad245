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
from typing import Final

import pytest
from msgspec import Struct

from agent.core.clock import SystemClock
from tests.agent.uplink.test_real_outbox import Site, site
from tests.peers import need
from tests.peers.mosquitto import Mosquitto

WINDOW: Final = 1.0
"""Seconds between two live windows of the other product."""
GROWTH: Final = 8.0
"""MB of memory that draining may cost."""


class Drained(Struct, frozen=True, kw_only=True):
    """What was seen: rows a second, MB more than before, the latest live window, and numbers as they came."""

    rate: float
    growth: float
    latest: float
    backlog: list[int]


async def drain(folder: Path, rows: int) -> Drained:
    """Fill an outbox without a broker; then start one, and publish a live window each second beside it."""
    broker, arrived, put = Mosquitto(folder), folder / "arrived", list[float]()
    async with site(folder, broker.port, SystemClock(), rate=0.0, cap=max(64 << 20, rows * 1200)) as running:
        await _fill(running, rows)
        assert running.outbox.queue("city").n >= rows
        broker.start()
        try:
            with _city(broker.port, arrived):
                before = most = _memory()
                begun = time.monotonic()
                while running.outbox.queue("city").n:
                    assert running.task is not None
                    assert not running.task.done(), running.task.exception()
                    put.append(time.time())
                    running.window("people")
                    await asyncio.sleep(WINDOW)
                    most = max(most, _memory())
                took = time.monotonic() - begun
        finally:
            broker.stop()
    came = [line.split(" ", 2) for line in arrived.read_text("utf-8").splitlines()]
    data = [(float(at), topic, json.loads(body)) for at, topic, body in came if "/d/" in topic]
    live = [at for at, topic, body in data if topic.endswith("/people") and body["k"] == "batch"]
    late = [seen - since for seen, since in zip(live, put, strict=False)]
    return Drained(
        rate=rows / took,
        growth=most - before,
        latest=max(late),
        backlog=[body["s"] for _, topic, body in data if topic.endswith("/energy")],
    )


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
def _city(port: int, into: Path) -> Iterator[None]:
    """Subscribe with mosquitto_sub, a process of its own; what arrives goes to a file, with its time."""
    words = [need("mosquitto_sub"), "-V", "5", "-p", str(port), "-q", "1", "-t", "citygate/#"]
    with into.open("wb") as file, subprocess.Popen([*words, "-F", "%U %t %p"], stdout=file) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize("rows", [4_000, pytest.param(40_000, marks=pytest.mark.long)])
async def test_a_backlog_drains_in_order_and_holds_up_no_live_window(tmp_path: Path, rows: int) -> None:
    found = await drain(tmp_path, rows)
    assert list(dict.fromkeys(found.backlog)) == list(range(1, rows + 2)), "a start, and the windows in order"
    assert found.growth < GROWTH
    assert found.latest < WINDOW + 2.0, "a live window waits for the next commit, and for nothing else"
