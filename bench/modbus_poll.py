"""CPU per Modbus TCP request: our link, against pymodbus' own client and a bare asyncio protocol.

All three ask the same server (a process of its own, whose CPU is not counted) for the same registers,
one request at a time, in many short turns; the smallest of each counts. Then a whole
poll of a meter: two requests, and one sample for each of its 17 points.

Last, 1 to 500 such meters at 1 Hz in one process, beside a bare loop around pymodbus that runs at the same
time on a server of its own; the median of three pairs counts. What matters most here is how often a process
wakes: links that begin at different moments cost it three to four times the CPU of links that are due
together. The bare loop stays as it has begun; ours brings all beats together (`agent/core/ticks.py`), so
that the last row costs as little as the one for 100. The price is jitter, how far a device's readings are
from one second apart, because a hundred polls stand in a queue once a second: some milliseconds on a quiet
computer, tens on a busy one. Stamps are those of the replies in any case.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

from msgspec import Struct
from pymodbus.client import AsyncModbusTcpClient

from agent.core.clock import SystemClock
from bench._field import serving
from bench._fleet import METER
from bench._site import start
from drivers.modbus.device import ModbusDevice
from drivers.modbus.figures import Figures
from drivers.modbus.link import Link
from drivers.modbus.point import ModbusPoint
from drivers.modbus.reader import Reader
from drivers.modbus.request import Answer, Request
from drivers.modbus.way import TcpWay

REQUESTS, ROUNDS, SIZES = 500, 20, (1, 10, 80, 125)
PAIRS, SECONDS = 3, 4
_WHOLE = 0.99  # of the readings that there are


class Fleet(Struct, frozen=True):
    """So many devices, which begin within so many seconds."""

    name: str
    what: str
    devices: int
    scattered: float = 0.0


FLEETS = (
    Fleet("1", "1", 1),
    Fleet("10", "10", 10),
    Fleet("100", "100", 100),
    Fleet("500", "500", 500),
    Fleet("100_scattered", "100, begun over a second", 100, 1.0),
)

Case = Callable[[int, int], Awaitable[None]]


def main() -> int:
    """Print the table and the JSON lines; 1 if ours missed readings where the bare loop missed none."""
    with serving() as field:
        lines = _measure(field.ports[0])
    wrong = [f"{fleet.what} devices: {fault}" for fleet in FLEETS for fault in _fleets(fleet, lines)]
    for line in lines:
        print(json.dumps(line))
    for one in wrong:
        print(one, file=sys.stderr)
    return 1 if wrong else 0


def _measure(port: int) -> list[dict[str, object]]:
    cases: dict[str, Case] = {"bare asyncio": _bare, "pymodbus client": _pymodbus, "our link": _ours}
    print(f"{'CPU us per request of':<24}" + "".join(f"{name:>18}" for name in cases))
    lines = []
    for size in SIZES:
        rounds = [{name: _cpu(case, port, size) for name, case in cases.items()} for _ in range(ROUNDS)]
        best = {name: min(one[name] for one in rounds) for name in cases}
        ours = best["our link"]
        figures = "".join(f"{best[name]:>11.0f} x{best[name] / ours:5.2f}" for name in cases)
        print(f"{f'{size} registers':<24}{figures}")
        against = ("pymodbus client", "bare asyncio")
        lines += [_line(f"modbus_poll.request_{size}", ours, name, ours / best[name]) for name in against]
    poll = min(_cpu(_poll, port, 0) for _ in range(ROUNDS))
    print(f"{'a poll of 17 points, 2 requests':<48}{poll:>18.0f}", flush=True)
    lines.append(_line("modbus_poll.meter", poll, "two requests of our link", poll / 2 / ours))
    print(f"{'devices at 1 Hz':<24}{'CPU %':>22}{'RSS MiB':>20}{'jitter p99 ms':>20}  (ours / bare loop)")
    return lines


def _fleets(fleet: Fleet, lines: list[dict[str, object]]) -> Iterator[str]:
    """Run both at the same time, a few times; add medians and those of the ratios to *lines*; tell faults."""
    rounds = [_pair(fleet) for _ in range(PAIRS)]
    shown = []
    for word, unit in (("cpu", "%"), ("rss", "MiB"), ("jitter", "ms")):
        ours, bare = (statistics.median(one[side][word] for one in rounds) for side in (0, 1))
        ratio = statistics.median(one[0][word] / max(one[1][word], 0.01) for one in rounds)
        shown.append(f"{ours:.1f} / {bare:.1f}")
        lines.append(_line(f"modbus_poll.fleet_{fleet.name}.{word}", ours, "bare loop", ratio, unit))
    print(f"{fleet.what:<24}" + "".join(f"{one:>21}" for one in shown), flush=True)
    least = _WHOLE * len(METER) * (SECONDS - 1) / SECONDS  # a beat may fall on the edge of what is measured
    ours, bare = (statistics.median(one[side]["values"] for one in rounds) for side in (0, 1))
    if bare < least:
        print(f"  this computer is too busy: {ours:.1f} / {bare:.1f} values a second, not {least:.1f}")
    elif ours < least:
        yield f"{ours:.1f} values a second of each, not {least:.1f}"


def _pair(fleet: Fleet) -> tuple[dict[str, float], dict[str, float]]:
    with ExitStack() as stack:
        sides = []
        for way in ("ours", "pymodbus"):
            port = stack.enter_context(serving()).ports[0]
            words = (way, str(port), str(fleet.devices), str(SECONDS), str(fleet.scattered))
            sides.append(start(stack, "bench._fleet", *words))
        ours, bare = (json.loads(_line_of(one)) for one in sides)
    return ours, bare


def _line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _line(name: str, value: float, against: str, ratio: float, unit: str = "us") -> dict[str, object]:
    return {
        "name": name,
        "value": round(value, 1),
        "unit": unit,
        "against": against,
        "ratio": round(ratio, 2),
    }


def _cpu(case: Case, port: int, size: int) -> float:
    async def timed() -> float:
        begun = time.process_time()
        await case(port, size)
        return (time.process_time() - begun) / REQUESTS * 1e6

    return asyncio.run(timed())


class _Bare(asyncio.Protocol):
    """The least that a client can do: write, find the reply, unpack, write again."""

    def __init__(self, size: int, done: asyncio.Future[None]) -> None:
        self._size, self._done, self._number, self._buffer = size, done, 0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._number += 1
        self._transport.write(struct.pack(">HHHBBHH", self._number, 0, 6, 1, 3, 0, self._size))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) < 9 + 2 * self._size:
            return
        number, _, _, _, _, count = struct.unpack_from(">HHHBBB", self._buffer)
        values = struct.unpack_from(f">{count // 2}H", self._buffer, 9)
        assert number == self._number
        assert len(values) == self._size
        self._buffer = b""
        if self._number == REQUESTS:
            self._done.set_result(None)
        else:
            self._ask()


async def _bare(port: int, size: int) -> None:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    transport, _ = await loop.create_connection(lambda: _Bare(size, done), "127.0.0.1", port)
    await done
    transport.close()


async def _pymodbus(port: int, size: int) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    for _ in range(REQUESTS):
        reply = await client.read_holding_registers(0, count=size, device_id=1)
        assert len(reply.registers) == size
    client.close()


async def _ours(port: int, size: int) -> None:
    async with Link(TcpWay("127.0.0.1", port), SystemClock(), Figures({}), ceiling=1.0) as link:
        for _ in range(REQUESTS):
            answer = await link.ask(Request(1, "holding", 0, size))
            assert isinstance(answer, Answer)
            assert len(answer.data) == 2 * size


async def _poll(port: int, _: int) -> None:
    points = {f"p{addr}": ModbusPoint(addr=addr, type="f32", sentinel="none") for addr in METER}
    device = ModbusDevice(name="meter", max_block=80, points=points)
    clock = SystemClock()
    async with Link(TcpWay("127.0.0.1", port), clock, Figures({}), ceiling=1.0) as link:
        reader = Reader(device, link, clock, timeout=1.0)
        seen = 0
        for _ in range(REQUESTS):
            found: list[int] = []
            await reader.cycle(lambda outcome, found=found: found.append(len(reader.samples(outcome))))  # type: ignore[misc]
            seen += sum(found)
        assert seen == len(METER) * REQUESTS


if __name__ == "__main__":
    raise SystemExit(main())
