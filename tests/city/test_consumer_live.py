"""The examples for consumers against the real gateway: a link breaks, and what it cost comes when asked."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.agent.uplink.kit import until
from tests.city.libraries import HERE
from tests.faults.site import Daemon, write_site
from tests.peers import libmodbus, missing, need
from tests.peers.foreign import NODE_MODULES
from tests.peers.mosquitto import mosquitto
from tests.peers.proxy import Proxy

PRODUCTS: Final = 2
ROOT: Final = "citygate/1/vaasa/library/gw1"


class Listener:
    """One example program, and what it printed."""

    def __init__(self) -> None:
        self.connections = 0
        self.said: list[tuple[str, dict[str, Any]]] = []

    def numbers(self, product: str = "p0") -> list[tuple[int, int]]:
        """Give (epoch, number) of what came of a product, in order of arrival."""
        return [
            (body["e"], body["s"]) for topic, body in self.said if topic.split("/")[5:] in (
                ["d", product], ["r", product]
            )
        ]  # fmt: skip

    def answers(self) -> list[dict[str, Any]]:
        """Give the answers of the gateway."""
        return [body for _, body in self.said if body["k"] == "answer"]

    def missing(self) -> int:
        """Count the numbers of either product that are not here, up to the last of each epoch."""
        count = 0
        for product in ("p0", "p1"):
            seen = set(self.numbers(product))
            for epoch in {one for one, _ in seen}:
                mine = {number for run, number in seen if run == epoch}
                count += max(mine) - len(mine)
        return count


@asynccontextmanager
async def listening(kind: str, port: int) -> AsyncIterator[Listener]:
    """Run the example program of *kind* as a process of its own."""
    program = [sys.executable, str(HERE / "listen.py")]
    if kind == "node":
        program = [need("node"), str(HERE / "listen.mjs")]
        if not (NODE_MODULES / "mqtt").is_dir():
            missing("mqtt (npm)")
    process = await asyncio.create_subprocess_exec(
        *program, "127.0.0.1", str(port), "2", stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
    )  # fmt: skip
    made = Listener()
    reading = asyncio.ensure_future(_read(process, made))
    try:
        yield made
    finally:
        process.kill()
        await process.wait()
        await reading


async def _read(process: asyncio.subprocess.Process, listener: Listener) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        told = json.loads(line)
        if "connected" in told:
            listener.connections += 1
        else:
            listener.said.append((told["topic"], told["body"]))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["python", "node"])
async def test_what_a_broken_link_cost_is_asked_for_and_comes_once(tmp_path: Path, kind: str) -> None:
    with libmodbus.serve() as meter, mosquitto(tmp_path) as broker:
        config = write_site(tmp_path / "etc", meter=meter.port, broker=broker.port, products=PRODUCTS)
        sharing = config / "sharing.toml"
        # the broker takes what nobody hears: just the loss that its acknowledgement hides
        more = 'on_no_subscriber = "deliver"\ncommands = ["replay"]\nrate = 50'
        sharing.write_text(sharing.read_text().replace("rate = 0", more))
        daemon = Daemon(tmp_path, config)
        link = Proxy(broker.port)
        await link.start()
        try:
            daemon.start()
            async with listening(kind, link.port) as city:
                await until(lambda: len(city.numbers()) >= 3, 30.0)
                link.set("cut")
                await asyncio.sleep(3.0)  # seconds of windows, which the broker hands to nobody
                link.set("ok")
                await until(lambda: city.connections == 2, 30.0)
                seen = len(city.numbers())
                await until(lambda: len(city.numbers()) > seen, 30.0)
                assert city.missing() > 0
                await until(lambda: city.missing() == 0, 60.0)
                await until(lambda: any(one["is"] == "done" for one in city.answers()), 30.0)
                assert len(set(city.numbers())) == len(city.numbers())
                assert any(topic.startswith(f"{ROOT}/r/p") for topic, _ in city.said)
            assert daemon.stop() == 0, daemon.log.read_text()
        finally:
            daemon.close()
            await link.stop()
