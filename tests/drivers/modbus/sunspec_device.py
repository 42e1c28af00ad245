"""A SunSpec device for tests: its registers as words, and a Modbus TCP server that pymodbus runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

END = [0xFFFF, 0]


def text(value: str, words: int) -> list[int]:
    """Give *value* as registers, padded with zeros."""
    data = value.encode().ljust(2 * words, b"\0")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, 2 * words, 2)]


def common(maker: str, model: str) -> list[int]:
    """Give model 1 with its head."""
    return [1, 66, *text(maker, 16), *text(model, 16), *text("", 8), *text("1.4", 8), *text("SN7", 16), 1, 0]


def model(number: int, length: int, values: dict[int, int | Sequence[int]]) -> list[int]:
    """Give a model that implements only *values*, by their offsets from its first register."""
    words = [number, length, *[0x8000] * length]
    for at, value in values.items():
        some = [value] if isinstance(value, int) else [*value]
        words[at : at + len(some)] = [one & 0xFFFF for one in some]
    return words


def inverter() -> list[int]:
    """Give model 103 of an inverter that feeds 8,230 W."""
    return model(103, 50, {
        3: (1201, 1198, 1204), 6: -2, 10: (2301, 2298, 2310), 13: -1, 14: 823, 15: 1, 16: 5002, 17: -2,
        18: 825, 19: 1, 20: -12, 21: 1, 22: -998, 23: -1, 24: (0x0001, 0xE240), 26: 2,
        31: 845, 32: 1, 33: 412, 37: -1, 38: 4,
    })  # fmt: skip


def inputs(count: int) -> list[int]:
    """Give model 160 with *count* inputs."""
    words = model(160, 8 + 20 * count, {2: -2, 3: -1, 4: 0, 5: 1, 6: (0, 0), 8: count, 9: 0})
    for number in range(count):
        at = 10 + 20 * number
        words[at + 9 : at + 14] = [610 + number, 6900 + number, 4210 + number, 0, 5000 + number]
    return words


def meter() -> list[int]:
    """Give model 203 of a grid meter that has exported nothing yet."""
    return model(203, 105, {
        3: (510, 498, 502), 6: -2, 8: (2305, 2299, 2311), 15: -1, 16: 4998, 17: -2,
        18: -1510, 19: (-500, -505, -505), 22: 0, 23: 1530, 27: 0, 28: 210, 32: 0, 33: -987, 37: -1,
        38: (0, 0), 46: (0x0012, 0xD687), 54: 1,
    })  # fmt: skip


@asynccontextmanager
async def serving(words: Sequence[int], *, place: int = 40000, unit: int = 1) -> AsyncIterator[int]:
    """Serve *words* from address *place* on; give the port."""
    data = SimData(place, values=[*words], datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(unit, [data]), address=("127.0.0.1", 0))
    running = asyncio.create_task(server.serve_forever(background=True))
    await running
    assert isinstance(server.transport, asyncio.Server)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]
