"""CPU per Modbus TCP request: our link, against pymodbus' own client and a bare asyncio protocol.

All three ask the same server (a process of its own, whose CPU is not counted) for the same registers,
one request at a time, alternating in one run; the smallest of the rounds counts. The last figure is a whole
poll of a meter: two requests, and one sample for each of its 17 points.
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
from drivers.modbus.device import ModbusDevice
from drivers.modbus.figures import Figures
from drivers.modbus.link import Link
from drivers.modbus.point import ModbusPoint
from drivers.modbus.reader import Reader
from drivers.modbus.request import Answer, Request
from drivers.modbus.way import TcpWay

REQUESTS, ROUNDS, SIZES = 2000, 5, (1, 10, 80, 125)
METER = (*range(0x00, 0x12, 2), 0x34, 0x38, 0x3C, 0x3E, 0x46, 0x48, 0x4A, 0x156)

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
    for line in lines:
        print(json.dumps(line))


def _line(name: str, value: float, against: str, ratio: float) -> dict[str, object]:
    return {
        "name": name,
        "value": round(value, 1),
        "unit": "us",
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
