"""From the start of the process to the control socket, to the first message, and to the first full window.

A window cannot be published before it has ended: what is over the wait for its end is ours.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime

import aiomqtt

from bench._site import gateway, peers, wait_for, warm


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


def main() -> None:
    """Print the spans in seconds."""
    with peers() as (site, port):
        wait_for(site.folder / "broker.toml")
        warm(site)
        begin = time.time()
        with gateway(site):
            wait_for(site.socket)
            socket = time.time()
            first, batch, end = asyncio.run(asyncio.wait_for(first_messages(port, begin), 60))
    for what, value in (
        ("start to control socket", socket - begin),
        ("start to first message at the city", first - begin),
        ("start to first published window (5 s windows)", batch - begin),
        ("end of that window to its arrival", batch - end),
    ):
        print(json.dumps({"bench": "startup", "what": what, "value": value, "unit": "s"}))


if __name__ == "__main__":
    main()
