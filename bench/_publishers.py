"""One client publishing as fast as twenty unanswered messages allow, in a process of its own.

    python -m bench._publishers ours 1883
    python -m bench._publishers ours 8883 --ca ca.pem

Prints microseconds of time and of CPU for each message, and the process's memory in MB at the end. The
libraries are imported by the one that uses them, so that nobody else's memory holds them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import time
from pathlib import Path

MESSAGES, WINDOW = 6000, 20
BODY = b"x" * 1600
TOPIC = "citygate/1/vaasa/library/gw1/d/energy"
USER = (("id", "gw1/7/energy/100042"), ("policy", "3b683cb786f6"))

Spent = tuple[float, float]


def main() -> None:
    """Publish once, and tell what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=["ours", "aiomqtt", "paho"])
    parser.add_argument("port", type=int)
    parser.add_argument("--ca", default="")
    parser.add_argument("--path", default="")
    parser.add_argument("--version", default="5")
    parser.add_argument("--client", default="citygate")
    args = parser.parse_args()
    logging.getLogger("mqtt").setLevel(logging.ERROR)  # aiomqtt warns of each message beyond ten at once
    if args.way == "ours":
        spent = asyncio.run(_ours(args))
    else:
        spent = asyncio.run(_aiomqtt(args.port)) if args.way == "aiomqtt" else _paho(args.port)
    print(json.dumps([*spent, memory()]))


def memory() -> float:
    """Give the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _spent(begin: float, cpu: float) -> Spent:
    scale = 1e6 / MESSAGES
    return (time.perf_counter() - begin) * scale, (time.process_time() - cpu) * scale


async def _ours(args: argparse.Namespace) -> Spent:
    """Publish with the properties of a batch, which the others do not send."""
    from agent.uplink.clients import connect
    from agent.uplink.port import Call, Packet

    call = Call(
        host="localhost" if args.ca else "127.0.0.1", port=args.port, client_id="ours", tls=bool(args.ca),
        ca=args.ca or None, websocket=args.path, version=args.version, client=args.client,
    )  # fmt: skip
    link = await connect(call)
    packet = Packet(topic=TOPIC, body=BODY, content_type="application/json", user=USER, expiry=34_560_000)

    async def some() -> None:
        for _ in range(MESSAGES // WINDOW):
            await link.publish(packet)

    begin, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(some() for _ in range(WINDOW)))
    spent = _spent(begin, cpu)
    await link.leave()
    return spent


async def _aiomqtt(port: int) -> Spent:
    import aiomqtt

    version = aiomqtt.ProtocolVersion.V5
    async with aiomqtt.Client("127.0.0.1", port, protocol=version, max_inflight_messages=WINDOW) as client:

        async def some() -> None:
            for _ in range(MESSAGES // WINDOW):
                await client.publish(TOPIC, BODY, qos=1)

        begin, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(some() for _ in range(WINDOW)))
        return _spent(begin, cpu)


def _paho(port: int) -> Spent:
    """Publish from paho's own thread, as its documentation does."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.max_inflight_messages_set(WINDOW)
    client.connect("127.0.0.1", port)
    client.loop_start()
    begin, cpu = time.perf_counter(), time.process_time()
    told = [client.publish(TOPIC, BODY, qos=1) for _ in range(MESSAGES)]
    for one in told:
        one.wait_for_publish()
    spent = _spent(begin, cpu)
    client.disconnect()
    client.loop_stop()
    return spent


if __name__ == "__main__":
    main()
