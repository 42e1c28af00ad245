"""Late replies behind a converter that passes RTU through TCP: how many values are wrong, and nobody says so.

A gateway answers in order; one reply in twenty comes after the client's timeout, and one address in seven is
refused. Register *i* holds *i*, so every wrong value shows. The same reads, at the same seed, through our
link and through pymodbus' client, as it comes and without its own retries.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusTcpClient

from agent.core.clock import SystemClock
from drivers.modbus.figures import Figures
from drivers.modbus.link import Link
from drivers.modbus.request import Answer, Fault, Request
from drivers.modbus.way import TcpWay
from tests.drivers.modbus.rtu_wire import Asked, rtu_serving

READS, TIMEOUT, LATE, USUAL = 2000, 0.03, 0.045, 0.002
Found = Counter[str]


def main() -> None:
    """Print a table and the JSON lines."""
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    cases: dict[str, Callable[[int], Awaitable[Found]]] = {
        "pymodbus client": lambda port: _pymodbus(port, retries=3),
        "pymodbus client, no retries": lambda port: _pymodbus(port, retries=0),
        "our link": _ours,
    }
    print(f"{'reads: ' + str(READS):<30}" + "".join(f"{word:>16}" for word in _WORDS) + f"{'seconds':>10}")
    found = {}
    for name, case in cases.items():
        begun = time.monotonic()
        found[name] = asyncio.run(_served(case))
        figures = "".join(f"{found[name][word]:>16}" for word in _WORDS)
        print(f"{name:<30}{figures}{time.monotonic() - begun:>10.1f}", flush=True)
    ours = found.pop("our link")
    for name, other in found.items():
        for word in ("wrong", "false refusal"):
            line = {
                "name": f"modbus_late.{word.replace(' ', '_')}",
                "value": ours[word],
                "unit": f"of {READS}",
                "against": f"{name}: {other[word]}",
                "ratio": round(ours[word] / other[word], 3) if other[word] else None,
            }
            print(json.dumps(line))


_WORDS = ("right", "wrong", "refused", "false refusal", "no value")


async def _served(case: Callable[[int], Awaitable[Found]]) -> Found:
    chance = random.Random(7)

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        pause = LATE if chance.random() < 0.05 else USUAL
        return [pause, asked.refusal(2) if _is_illegal(asked.addr) else asked.reply()]

    async with rtu_serving(behaviour) as wire:
        return await case(wire.port)


def _is_illegal(addr: int) -> bool:
    return addr % 7 == 0


def _judge(addr: int, values: Sequence[int] | None, code: int) -> str:
    if values is not None:
        return "right" if list(values) == [addr, addr + 1] and not _is_illegal(addr) else "wrong"
    if code:
        return "refused" if _is_illegal(addr) else "false refusal"
    return "no value"


async def _pymodbus(port: int, *, retries: int) -> Found:
    chance, found = random.Random(1), Counter[str]()
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


async def _ours(port: int) -> Found:
    chance, found = random.Random(1), Counter[str]()
    way = TcpWay("127.0.0.1", port, rtu=True)
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
    main()
