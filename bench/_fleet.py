"""Many Modbus TCP devices at 1 Hz in one process: by our drivers, or by a bare loop around pymodbus.

    python -m bench._fleet ours|pymodbus PORT DEVICES SECONDS SCATTERED

Two requests to a device each second, 17 floats in them; devices begin within so many seconds. It prints CPU,
memory and how late values come.
"""

from __future__ import annotations

import asyncio
import json
import random
import struct
import sys
import time
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path

METER = (*range(0x00, 0x12, 2), 0x34, 0x38, 0x3C, 0x3E, 0x46, 0x48, 0x4A, 0x156)
BLOCKS = ((0x00, 0x4C), (0x156, 2))
_SETTLE = 2.0


class Count:
    """What came, and when in its second it came."""

    def __init__(self) -> None:
        self.values = 0
        self._ats: dict[object, list[float]] = {}

    def note(self, device: object, at: float) -> None:
        """Note a device's first value of a second."""
        self._ats.setdefault(device, []).append(at)

    def begin(self) -> None:
        """Forget what came so far."""
        self.values = 0
        self._ats.clear()

    def jitter(self) -> float:
        """Give the 99th percentile of the distance from a beat of one second, in milliseconds."""
        late = []
        for ats in self._ats.values():
            phases = sorted(at - ats[0] - round(at - ats[0]) for at in ats)
            middle = phases[len(phases) // 2]
            late += [abs(one - middle) for one in phases]
        return 1000 * sorted(late)[int(0.99 * (len(late) - 1))] if late else 0.0


def _memory() -> float:
    """Give the resident memory in MiB."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


async def _ours(port: int, starts: Sequence[float], count: Count) -> None:
    from agent.core.clock import SystemClock
    from agent.core.driver import Desk
    from agent.core.duration import Duration
    from agent.core.sample import Sample
    from drivers.modbus.device import ModbusDevice
    from drivers.modbus.point import ModbusPoint
    from drivers.modbus_tcp import ModbusTcp

    points = {f"p{addr}": ModbusPoint(addr=addr, type="f32", sentinel="none") for addr in METER}

    def emit(samples: Iterable[Sample]) -> None:
        for sample in samples:
            count.values += sample.value is not None
            if sample.point.endswith(".p0"):
                count.note(sample.point, sample.at)

    async with asyncio.TaskGroup() as group:
        for number, begin in enumerate(starts):
            meter = ModbusDevice(name=f"m{number}", every=Duration(1), points=points, max_block=80)
            link = ModbusTcp(name=f"l{number}", host="127.0.0.1", port=port, devices=(meter,))
            group.create_task(_later(begin, link.run(emit, SystemClock(), Desk())))


async def _pymodbus(port: int, starts: Sequence[float], count: Count) -> None:
    from pymodbus.client import AsyncModbusTcpClient

    async def one(number: int) -> None:
        client = AsyncModbusTcpClient("127.0.0.1", port=port)
        await client.connect()
        due = time.monotonic()
        while True:
            words: dict[int, int] = {}
            for addr, size in BLOCKS:
                reply = await client.read_holding_registers(addr, count=size, device_id=1)
                words.update(enumerate(reply.registers, addr))
                if not addr:
                    count.note(number, time.monotonic())
            for addr in METER:
                struct.unpack(">f", struct.pack(">2H", words[addr], words[addr + 1]))
                count.values += 1
            due += 1.0
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async with asyncio.TaskGroup() as group:
        for number, begin in enumerate(starts):
            group.create_task(_later(begin, one(number)))


async def _later(begin: float, life: Coroutine[None, None, None]) -> None:
    if begin:
        await asyncio.sleep(begin)
    await life


async def _measured(way: str, port: int, devices: int, *, seconds: float, scattered: float) -> None:
    count, chance = Count(), random.Random(1)
    starts = [scattered * chance.random() for _ in range(devices)]
    fleet = asyncio.create_task((_ours if way == "ours" else _pymodbus)(port, starts, count))
    await asyncio.sleep(_SETTLE + scattered)
    count.begin()
    begun, cpu = time.monotonic(), time.process_time()
    await asyncio.wait([fleet], timeout=seconds)
    cpu, wall = time.process_time() - cpu, time.monotonic() - begun
    found = {
        "cpu": 100 * cpu / wall,
        "rss": _memory(),
        "jitter": count.jitter(),
        "values": count.values / wall / devices,
    }
    print(json.dumps(found), flush=True)
    await fleet  # until somebody ends this process: a cancelled pymodbus client may go on for ever


if __name__ == "__main__":
    way, port, devices, seconds, scattered = sys.argv[1:]
    asyncio.run(_measured(way, int(port), int(devices), seconds=float(seconds), scattered=float(scattered)))
