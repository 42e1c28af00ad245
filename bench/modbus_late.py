"""Late replies where only their length tells them apart: how many values are wrong, and nobody says so.

Twice: behind a converter that passes RTU through TCP, and on a pair of serial ports on which noise falls.
Both answer in order; one reply in twenty comes after the client's timeout, and one address in seven is
refused; on the serial pair stray bytes come before one reply in twenty, and as many are damaged. Register *i*
holds *i*, so every wrong value shows. The same reads, at the same seed and at the same time, through our link
and through pymodbus' client, as it comes and without its own retries. A wrong value of ours is a failure.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import sys
import tty
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from agent.core.clock import SystemClock
from drivers.modbus.figures import Figures
from drivers.modbus.link import Link
from drivers.modbus.request import Answer, Fault, Request
from drivers.modbus.serial_way import SerialWay
from drivers.modbus.way import TcpWay
from tests.drivers.modbus.rtu_wire import Asked, RtuWire, rtu_serving

READS, TIMEOUT, LATE, USUAL, BAUD = 2000, 0.03, 0.045, 0.002, 115_200
_WORDS = ("right", "wrong", "refused", "false refusal", "no value")
Found = Counter[str]


class Medium(Struct, frozen=True):
    """Over what is asked, and the share of replies on which noise falls."""

    name: str
    what: str
    noise: float

    @property
    def serial(self) -> bool:
        """Whether it is a pair of serial ports."""
        return self.name == "serial"


MEDIA = (Medium("tcp", "RTU through TCP", 0.0), Medium("serial", "noisy serial pair", 0.05))


def main() -> int:
    """Print tables and the JSON lines; 1 if a value of ours was wrong."""
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    lines: list[dict[str, object]] = []
    failed = 0
    print(f"{READS} reads each of six clients at the same time ...", flush=True)
    results = asyncio.run(_media())
    for medium in MEDIA:
        print(f"{medium.what:<32}" + "".join(f"{word:>15}" for word in _WORDS))
        found = results[medium.name]
        for name, counts in found.items():
            print(f"{name:<32}" + "".join(f"{counts[word]:>15}" for word in _WORDS), flush=True)
        ours = found.pop("our link")
        failed += ours["wrong"] + ours["false refusal"]
        lines += [
            _line(f"{medium.name}.{word}", ours[word], name, other[word])
            for name, other in found.items()
            for word in ("wrong", "false refusal")
            if other[word]
        ]
    for line in lines:
        print(json.dumps(line))
    if failed:
        print(f"{failed} answers of our link were wrong, and it did not know", file=sys.stderr)
    return 1 if failed else 0


def _line(word: str, ours: int, name: str, theirs: int) -> dict[str, object]:
    return {
        "name": f"modbus_late.{word.replace(' ', '_')}",
        "value": ours,
        "unit": f"of {READS}",
        "against": f"{name}: {theirs}",
        "ratio": round(ours / theirs, 3),
    }


async def _media() -> dict[str, dict[str, Found]]:
    async with asyncio.TaskGroup() as group:
        tasks = {medium.name: group.create_task(_all(medium)) for medium in MEDIA}
    return {name: task.result() for name, task in tasks.items()}


async def _all(medium: Medium) -> dict[str, Found]:
    """Let all three read at the same time, each from a device of its own."""
    async with asyncio.TaskGroup() as group:
        tasks = {
            "pymodbus client": group.create_task(_pymodbus(medium, retries=3)),
            "pymodbus client, no retries": group.create_task(_pymodbus(medium, retries=0)),
            "our link": group.create_task(_ours(medium)),
        }
    return {name: task.result() for name, task in tasks.items()}


@asynccontextmanager
async def _device(medium: Medium) -> AsyncIterator[tuple[int, str]]:
    """Serve; give the TCP port, or else the path of the serial one."""
    async with rtu_serving(_behaviour(medium.noise)) as wire:
        if not medium.serial:
            yield wire.port, ""
            return
        async with _serial(wire) as path:
            yield 0, path


@asynccontextmanager
async def _serial(wire: RtuWire) -> AsyncIterator[str]:
    """Carry the bytes of a serial port to and fro; give its path."""
    loop, (near, far) = asyncio.get_running_loop(), os.openpty()
    tty.setraw(far)
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)

    async def carry() -> None:
        while data := await reader.read(4096):
            os.write(near, data)

    loop.add_reader(near, lambda: writer.write(os.read(near, 4096)))
    carrying = asyncio.create_task(carry())
    try:
        yield os.ttyname(far)
    finally:
        loop.remove_reader(near)
        carrying.cancel()
        writer.transport.abort()
        os.close(near)
        os.close(far)


def _behaviour(noise: float) -> Callable[[Asked], Sequence[bytes | float]]:
    chance = random.Random(7)

    def answer(asked: Asked) -> Sequence[bytes | float]:
        pause = LATE if chance.random() < 0.05 else USUAL
        reply = asked.refusal(2) if _is_illegal(asked.addr) else asked.reply()
        if chance.random() < noise:
            reply = chance.randbytes(chance.randint(1, 6)) + reply
        elif chance.random() < noise:
            broken = bytearray(reply)
            broken[chance.randrange(len(broken))] ^= chance.randint(1, 255)
            reply = bytes(broken)
        return [pause, reply]

    return answer


def _is_illegal(addr: int) -> bool:
    return addr % 7 == 0


def _judge(addr: int, values: Sequence[int] | None, code: int) -> str:
    if values is not None:
        return "right" if list(values) == [addr, addr + 1] and not _is_illegal(addr) else "wrong"
    if code:
        return "refused" if _is_illegal(addr) else "false refusal"
    return "no value"


async def _pymodbus(medium: Medium, *, retries: int) -> Found:
    chance, found = random.Random(1), Counter[str]()
    async with _device(medium) as (port, path):
        client: AsyncModbusSerialClient | AsyncModbusTcpClient
        if path:
            client = AsyncModbusSerialClient(path, baudrate=BAUD, timeout=TIMEOUT, retries=retries)
        else:
            client = AsyncModbusTcpClient(
                "127.0.0.1", port=port, framer=FramerType.RTU, timeout=TIMEOUT, retries=retries
            )
        await client.connect()
        for _ in range(READS):
            addr = chance.randrange(60_000)
            try:
                reply = await client.read_holding_registers(addr, count=2, device_id=1)
            except ModbusException:
                if not client.connected:
                    await client.connect()
                found["no value"] += 1
                continue
            refused = reply.isError()
            found[_judge(addr, None if refused else reply.registers, int(refused))] += 1
        client.close()
    return found


async def _ours(medium: Medium) -> Found:
    chance, found = random.Random(1), Counter[str]()
    async with _device(medium) as (port, path):
        way = SerialWay(path, BAUD, "8N1") if path else TcpWay("127.0.0.1", port, rtu=True)
        async with Link(way, SystemClock(), Figures({}), ceiling=TIMEOUT) as link:
            for _ in range(READS):
                addr = chance.randrange(60_000)
                reply = await link.ask(Request(1, "holding", addr, 2, longer=tuple(range(3, 12))))
                values, code = None, 0
                if isinstance(reply, Answer):
                    values = [int.from_bytes(reply.data[at : at + 2], "big") for at in (0, 2)]
                elif isinstance(reply, Fault):
                    code = reply.code
                found[_judge(addr, values, code)] += 1
    return found


if __name__ == "__main__":
    raise SystemExit(main())
