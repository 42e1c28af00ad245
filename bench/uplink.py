"""What a message costs on its way to a broker: our client beside aiomqtt, paho and mosquitto_pub.

All publish the same 1.6 KB with QoS 1 to one mosquitto in one run, in turns and each in a process of its own,
with 20 messages unanswered at most; the smallest of the rounds counts. Ours also sends the properties of a
batch, which the others do not. Then what TLS and WebSocket add (the latter at aedes, in MQTT 3.1.1), what a
new connection takes, memory, and the bytes of each encoding on the wire.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from agent.uplink.clients import connect
from agent.uplink.port import Call
from bench import wire_bytes
from bench._publishers import BODY, MESSAGES, TOPIC
from bench._report import Figure, show
from tests.peers import need
from tests.peers.brokers import Aedes
from tests.peers.mosquitto import Authority, Mosquitto, Tls

ROUNDS: Final = 3
CONNECTIONS: Final = 20
OURS, AIOMQTT, PAHO, PUB = "ours", "bare aiomqtt", "paho", "mosquitto_pub"
SECURE, WEB, NO_WEB = "ours, TLS", "ours, WebSocket", "ours, aedes"

Spent = tuple[float, float, float]
"""Microseconds of time and of CPU for one message, and MB of memory."""


def main() -> None:
    """Measure all in turns; print figures."""
    with tempfile.TemporaryDirectory(prefix="citygate-bench-") as name, ExitStack() as stack:
        room = Path(name)
        authority = Authority(room)
        plain = Mosquitto(room)
        secure = Mosquitto(_folder(room, "tls"), tls=Tls(*authority.leaf("broker")))
        for broker in (plain, secure):
            broker.start()
            stack.callback(broker.stop)
        ca = str(authority.certificate)
        found = _rounds(_ways(plain.port, secure.port, ca) | _web_ways(stack, room))
        calm = min(asyncio.run(_connects(Call(host="127.0.0.1", port=plain.port, client_id="c"))))
        call = Call(host="localhost", port=secure.port, client_id="c", tls=True, ca=ca)
        careful = min(asyncio.run(_connects(call)))
    for who, (time_, cpu, memory) in found.items():
        print(f"{who:<16} {1e6 / time_:>8.0f} messages/s  {cpu:>6.1f} us of CPU each  {memory:>6.1f} MB")
    figures = [*_clients(found), *_layers(found, calm, careful), *wire_bytes.rows("uplink.bytes_")]
    show(figures)


def _clients(found: Mapping[str, Spent]) -> list[Figure]:
    others = [one for one in (AIOMQTT, PAHO, PUB) if one in found]
    return [
        *(_figure("time", "time a message", 0, found, one) for one in others),
        *(_figure("cpu", "CPU a message", 1, found, one) for one in others),
        *(_figure("rss", "memory of the process", 2, found, one) for one in (AIOMQTT, PAHO)),
        Figure(name="uplink.import_rss", what="RSS of the import, over asyncio and our own words",
               value=_cost("agent.uplink.client"), unit="MB", against=AIOMQTT, floor=_cost("aiomqtt")),
    ]  # fmt: skip


def _figure(kind: str, what: str, at: int, found: Mapping[str, Spent], floor: str) -> Figure:
    value, other = found[OURS][at], found[floor][at]
    aim = other / 1.2 if floor == AIOMQTT and kind == "time" else None
    return Figure(
        name=f"uplink.{kind}_{floor.rpartition(' ')[2]}", what=f"{what}, against {floor}", value=value,
        unit="MB" if kind == "rss" else "us", against=floor, floor=other, aim=aim,
    )  # fmt: skip


def _layers(found: Mapping[str, Spent], calm: float, careful: float) -> list[Figure]:
    """Tell what TLS and WebSocket add."""
    figures = [
        Figure(name="uplink.tls_cpu", what="CPU a message through TLS", value=found[SECURE][1], unit="us",
               against="ours, plain", floor=found[OURS][1]),
        Figure(name="uplink.tls_rss", what="memory with TLS", value=found[SECURE][2], unit="MB",
               against="ours, plain", floor=found[OURS][2]),
        Figure(name="uplink.tls_connect", what="a new connection with TLS", value=careful, unit="ms",
               against="ours, plain", floor=calm),
        Figure(name="uplink.websocket_import", what="RSS of the import of WebSocket, over our client",
               value=_cost("agent.uplink.websocket.stream", over="agent.uplink.client"), unit="MB",
               against="wsproto", floor=_cost("wsproto", over="agent.uplink.client")),
    ]  # fmt: skip
    if WEB in found:
        figures.append(Figure(
            name="uplink.websocket_cpu", what="CPU a message within WebSocket", value=found[WEB][1],
            unit="us", against="ours, same broker", floor=found[NO_WEB][1],
        ))  # fmt: skip
    return figures


def _folder(room: Path, name: str) -> Path:
    made = room / name
    made.mkdir()
    return made


def _ways(plain: int, secure: int, ca: str) -> dict[str, Callable[[], Spent]]:
    return {
        OURS: lambda: _child("ours", plain),
        AIOMQTT: lambda: _child("aiomqtt", plain),
        PAHO: lambda: _child("paho", plain),
        PUB: lambda: _mosquitto_pub(plain),
        SECURE: lambda: _child("ours", secure, "--ca", ca),
        "ours by aiomqtt": lambda: _child("ours", plain, "--client", "aiomqtt"),
    }


def _web_ways(stack: ExitStack, room: Path) -> dict[str, Callable[[], Spent]]:
    """Start the broker that takes WebSocket, where npm has brought it."""
    if not Aedes.is_there():
        print("without the figures of WebSocket: the npm packages aedes and ws are not here (make peers)")
        return {}
    bare, web = Aedes(_folder(room, "aedes")), Aedes(_folder(room, "web"), web=True)
    for broker in (bare, web):
        broker.start()
        stack.callback(broker.kill)
    return {
        NO_WEB: lambda: _child("ours", bare.port, "--version", "3.1.1"),
        WEB: lambda: _child("ours", web.port, "--version", "3.1.1", "--path", web.path),
    }


def _rounds(ways: Mapping[str, Callable[[], Spent]]) -> dict[str, Spent]:
    """Let all have their turn, three times; give the smallest of each figure."""
    found: dict[str, list[Spent]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            found[name].append(way())
    return {name: (_least(spent, 0), _least(spent, 1), _least(spent, 2)) for name, spent in found.items()}


def _least(spent: Sequence[Spent], at: int) -> float:
    return min(one[at] for one in spent)


def _child(way: str, port: int, *more: str) -> Spent:
    words = [sys.executable, "-m", "bench._publishers", way, str(port), *more]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    spent, cpu, memory = json.loads(told)
    return spent, cpu, memory


def _mosquitto_pub(port: int) -> Spent:
    """Let it read the messages as lines; its memory is not told."""
    words = [need("mosquitto_pub"), "-V", "5", "-p", str(port), "-q", "1", "-t", TOPIC, "-l"]
    lines = (BODY + b"\n") * MESSAGES
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(words, input=lines, check=True)
    took, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took / MESSAGES * 1e6, cpu / MESSAGES * 1e6, 0.0


async def _connects(call: Call) -> list[float]:
    """Give the milliseconds of each of some connections, from the name to the welcome."""
    found = []
    for _ in range(CONNECTIONS):
        begin = time.perf_counter()
        link = await connect(call)
        found.append((time.perf_counter() - begin) * 1e3)
        await link.leave()
    return found


_RSS: Final = """
import asyncio, hashlib, logging, sys, msgspec, agent.core.plan
def rss():
    return int(open("/proc/self/statm").read().split()[1])
for name in sys.argv[2:]:
    __import__(name)
before = rss()
__import__(sys.argv[1])
print(rss() - before)
"""


def _cost(module: str, *, over: str = "") -> float:
    """Give the MB that importing *module* adds, as an installed gateway would; *over* is there already."""
    found = []
    for _ in range(3):
        words = [sys.executable, "-c", _RSS, module, *([over] if over else [])]
        told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        found.append(int(told) * os.sysconf("SC_PAGE_SIZE") / 1e6)
    return min(found)


if __name__ == "__main__":
    main()
