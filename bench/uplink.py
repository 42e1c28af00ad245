"""What a message costs on its way to a broker: our client beside aiomqtt, paho and mosquitto_pub.

All publish the same 1.6 KB with QoS 1 to one mosquitto in one run, in turns, with 20 messages unanswered at
most; the smallest of the rounds counts. Ours also sends the properties of a batch, which the others do not.
Then the same through TLS, and what each client costs in memory before it has sent anything.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from agent.uplink.clients import connect
from agent.uplink.port import Call, Packet
from bench._report import Figure, show
from tests.peers import need
from tests.peers.mosquitto import Authority, Mosquitto, Tls

MESSAGES, ROUNDS, WINDOW = 6000, 3, 20
BODY = b"x" * 1600
TOPIC = "citygate/1/vaasa/library/gw1/d/energy"
USER = (("id", "gw1/7/energy/100042"), ("policy", "3b683cb786f6"))
OURS, AIOMQTT, PAHO, PUB = "ours", "bare aiomqtt", "paho", "mosquitto_pub"

Spent = tuple[float, float]
"""Microseconds of time and of CPU for one message."""


def main() -> None:
    """Measure all in turns; print figures."""
    logging.getLogger("mqtt").setLevel(logging.ERROR)  # aiomqtt warns of each message beyond ten at once
    with tempfile.TemporaryDirectory(prefix="citygate-bench-") as name:
        room = Path(name)
        authority = Authority(room)
        certificate, key = authority.leaf("broker")
        plain, secure = Mosquitto(room), Mosquitto(_folder(room, "tls"), tls=Tls(certificate, key))
        for broker in (plain, secure):
            broker.start()
        try:
            found = _rounds(plain.port, secure.port, str(authority.certificate))
        finally:
            for broker in (plain, secure):
                broker.stop()
    time_, cpu = ({name: min(one[at] for one in spent) for name, spent in found.items()} for at in (0, 1))
    figures = [
        *(_figure("time", f"time a message, against {one}", time_, one) for one in (AIOMQTT, PAHO, PUB)),
        *(_figure("cpu", f"CPU a message, against {one}", cpu, one) for one in (AIOMQTT, PAHO, PUB)),
        Figure(name="uplink.tls_cpu", what="CPU a message through TLS", value=cpu["ours, TLS"], unit="us",
               against="ours, plain", floor=cpu[OURS]),
        Figure(name="uplink.import_rss", what="RSS of the import, over asyncio and our own words",
               value=_cost("agent.uplink.client"), unit="MB", against=AIOMQTT, floor=_cost("aiomqtt")),
    ]  # fmt: skip
    for who, spent in time_.items():
        print(f"{who:<16} {1e6 / spent:>8.0f} messages/s  {cpu[who]:>6.1f} us of CPU each")
    show(figures)


def _figure(kind: str, what: str, spent: dict[str, float], floor: str) -> Figure:
    name = f"uplink.{kind}_{floor.rpartition(' ')[2]}"
    aim = spent[floor] / 1.2 if floor == AIOMQTT else None
    return Figure(
        name=name, what=what, value=spent[OURS], unit="us", against=floor, floor=spent[floor], aim=aim
    )


def _folder(room: Path, name: str) -> Path:
    made = room / name
    made.mkdir()
    return made


def _rounds(plain: int, secure: int, ca: str) -> dict[str, list[Spent]]:
    ways: dict[str, Callable[[], Spent]] = {
        OURS: lambda: _timed(partial(_ours, Call(host="127.0.0.1", port=plain, client_id="ours"))),
        AIOMQTT: lambda: _timed(partial(_aiomqtt, plain)),
        PAHO: lambda: _paho(plain),
        PUB: lambda: _mosquitto_pub(plain),
        "ours, TLS": lambda: _timed(
            partial(_ours, Call(host="localhost", port=secure, client_id="ours", tls=True, ca=ca))
        ),
        "ours by aiomqtt": lambda: _timed(
            partial(_ours, Call(host="127.0.0.1", port=plain, client_id="ours", client="aiomqtt"))
        ),
    }
    found: dict[str, list[Spent]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            found[name].append(way())
    return found


def _timed(work: Callable[[], Coroutine[Any, Any, Spent]]) -> Spent:
    return asyncio.run(work())


def _spent(begin: float, cpu: float) -> Spent:
    scale = 1e6 / MESSAGES
    return (time.perf_counter() - begin) * scale, (time.process_time() - cpu) * scale


async def _ours(call: Call) -> Spent:
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


def _mosquitto_pub(port: int) -> Spent:
    """Let it read the messages as lines."""
    words = [need("mosquitto_pub"), "-V", "5", "-p", str(port), "-q", "1", "-t", TOPIC, "-l"]
    lines = (BODY + b"\n") * MESSAGES
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(words, input=lines, check=True)
    took, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took / MESSAGES * 1e6, cpu / MESSAGES * 1e6


_RSS = """
import asyncio, hashlib, logging, sys, msgspec, agent.core.plan
def rss():
    return int(open("/proc/self/statm").read().split()[1])
before = rss()
__import__(sys.argv[1])
print(rss() - before)
"""


def _cost(module: str) -> float:
    """Give the MB that importing *module* adds, as an installed gateway would."""
    found = []
    for _ in range(3):
        words = [sys.executable, "-c", _RSS, module]
        told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        found.append(int(told) * os.sysconf("SC_PAGE_SIZE") / 1e6)
    return min(found)


if __name__ == "__main__":
    main()
