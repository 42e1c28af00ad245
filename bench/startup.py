"""From the start of the process to the control socket, to the first message, and to the first full window.

Floors of the same run: a bare process that imports, connects and publishes once (`bench/_bare.py`); for the
window the moment at which it ends, and after that the 2 s for which it waits for late samples.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack
from datetime import datetime

import aiomqtt

from bench._bare import TOPIC
from bench._report import Figure, show
from bench._site import as_installed, gateway, meter_port, peers, start, wait_for, warm
from pipelines.window import Window

_LATE = float(Window(length="1m", statistics=("last",)).late)


async def first_messages(port: int, begin: float) -> tuple[float, float, float]:
    """Give when the first message and the first batch arrived, and when that batch's window ended.

    A window that ended before *begin* was handed over by the gateway before.
    """
    version = aiomqtt.ProtocolVersion.V5
    first = 0.0
    async with aiomqtt.Client("127.0.0.1", port, protocol=version) as client:
        await client.subscribe("citygate/1/#", qos=1)
        async for message in client.messages:
            now = time.time()
            first = first or now
            body = json.loads(message.payload)
            if body["k"] == "batch":
                end = datetime.fromisoformat(body["t"]).timestamp() + body["w"]
                if end > begin:
                    return first, now, end
    raise AssertionError("the broker went away")


def bare_start(meter: int, broker: int, environment: dict[str, str]) -> float:
    """Give the seconds from the start of the bare process to its first acknowledged message."""
    with ExitStack() as stack:
        begin = time.time()
        process = start(stack, "bench._bare", str(meter), str(broker), environment=environment)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", TOPIC
        return time.time() - begin


def main() -> None:
    """Measure both, one after the other."""
    with peers() as (site, port):
        wait_for(site.folder / "broker.toml")
        meter = meter_port(site)
        environment = as_installed(site.folder / "compiled")
        warm(site)
        bare_start(meter, port, environment)
        bare = min(bare_start(meter, port, environment) for _ in range(3))
        begin = time.time()
        with gateway(site):
            wait_for(site.socket)
            socket = time.time()
            first, batch, end = asyncio.run(asyncio.wait_for(first_messages(port, begin), 60))
    one, ended = "a bare process to its first message", "start to that window's end"
    rows = (
        ("socket", "start to control socket", socket - begin, one, bare),
        ("message", "start to first message at the city", first - begin, one, bare),
        (
            "window",
            "start to first full window (5 s)",
            batch - begin,
            ended,
            end - begin,
        ),
        ("arrival", "end of that window to its arrival", batch - end, "the wait for late samples", _LATE),
    )
    show([
        Figure(name=f"startup.{name}", what=what, value=value, unit="s", against=against, floor=floor)
        for name, what, value, against, floor in rows
    ])  # fmt: skip


if __name__ == "__main__":
    main()
