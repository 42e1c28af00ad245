"""CPU per Modbus TCP request: our link, against pymodbus' own client and a bare asyncio protocol.

All three ask the same server (a process of its own, whose CPU is not counted) for the same registers,
one request at a time, alternating in one run; the smallest of the rounds counts. Then a whole
poll of a meter: two requests, and one sample for each of its 17 points. Last, 1 to 500 such meters at 1 Hz in
one process, against a bare loop around pymodbus.
"""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

from pymodbus.client import AsyncModbusTcpClient

from agent.core.clock import SystemClock
from bench._fleet import METER
from drivers.modbus.device import ModbusDevice
from drivers.modbus.figures import Figures
from drivers.modbus.link import Link
from drivers.modbus.point import ModbusPoint
from drivers.modbus.reader import Reader
from drivers.modbus.request import Answer, Request
from drivers.modbus.way import TcpWay

REQUESTS, ROUNDS, SIZES = 2000, 5, (1, 10, 80, 125)
FLEETS, SECONDS = (1, 10, 100, 500), 10

Case = Callable[[int, int], Awaitable[None]]


def main() -> None:
    """Print the table and the JSON lines; as ``serve``, be the server."""
    if sys.argv[1:] == ["serve"]:
        asyncio.run(_serve())
        return
    words = [sys.executable, "-m", "bench.modbus_poll", "serve"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        _measure(int(server.stdout.readline()))
    finally:
        server.kill()
        server.communicate()


def _measure(port: int) -> None:
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
    lines += _fleets(port)
    for line in lines:
        print(json.dumps(line))


def _fleets(port: int) -> list[dict[str, object]]:
    """Run fleets in processes of their own, ours and the bare loop in turn."""
    lines = []
    print(f"{'devices at 1 Hz':<24}{'CPU %':>22}{'RSS MiB':>20}{'jitter p99 ms':>20}  (ours / bare loop)")
    for devices in FLEETS:
        got = {way: _fleet(way, port, devices) for way in ("ours", "pymodbus")}
        ours, bare = got["ours"], got["pymodbus"]
        figures = (f"{ours[word]:.1f} / {bare[word]:.1f}" for word in ("cpu", "rss", "jitter"))
        print(f"{devices:<24}" + "".join(f"{one:>21}" for one in figures), flush=True)
        assert min(ours["values"], bare["values"]) > 16, "17 values a second and device were wanted"
        for word, unit in (("cpu", "%"), ("rss", "MiB"), ("jitter", "ms")):
            ratio = ours[word] / max(bare[word], 0.01)
            lines.append(_line(f"modbus_poll.fleet_{devices}.{word}", ours[word], "bare loop", ratio, unit))
    return lines


def _fleet(way: str, port: int, devices: int) -> dict[str, float]:
    words = [sys.executable, "-m", "bench._fleet", way, str(port), str(devices), str(SECONDS)]
    found: dict[str, float] = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
    return found


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


async def _serve() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                number, _, _, unit, function, addr, count = struct.unpack(
                    ">HHHBBHH", await reader.readexactly(12)
                )
                values = struct.pack(f">{count}H", *range(addr, addr + count))
                head = struct.pack(">HHHBBB", number, 0, 3 + 2 * count, unit, function, 2 * count)
                writer.write(head + values)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    main()
