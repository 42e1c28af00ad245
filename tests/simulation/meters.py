"""Made-up Modbus TCP devices: what they truly measure, and every way in which they may answer."""

from __future__ import annotations

import asyncio
import struct
from random import Random
from typing import Final, NamedTuple

from tests.simulation.network import End, Host


class Places(NamedTuple):
    """Where a meter's registers lie, each u32."""

    power: int
    energy: int
    secret: int


APART: Final = Places(0, 300, 600)
"""Too far apart for one request, and of one size: a late reply to the one could pass for the other's."""

BESIDE: Final = Places(0, 2, 4)
"""All in one request, as in most meters."""

BAND: Final = 1000
"""The power of meter *n* lies between ``n * BAND`` and ``n * BAND + 99``: another meter's value shows."""

_READ: Final = 12  # bytes of a request for registers

MODES: Final = (
    "silent", "late", "very_late", "garbage", "wrong_number", "exception", "twice", "short", "half", "reset",
)  # fmt: skip


class Meter:
    """One device behind a host, by its unit."""

    def __init__(self, number: int, rng: Random, places: Places = APART) -> None:
        self.number = number
        self.places = places
        self.mode = "well"
        self.served: list[tuple[float, int]] = []  # boot time and energy of each reply
        self._pace = rng.uniform(0.01, 0.4)  # counts a second
        self._begun = rng.randrange(1_000_000)

    def energy(self, now: float) -> int:
        """Give the count at boot time *now*: it never falls."""
        return self._begun + int(now * self._pace)

    def registers(self, now: float) -> dict[int, int]:
        """Give all registers at *now*."""
        energy = self.energy(now)
        power = self.number * BAND + int(now * 7.3) % 100
        own = self.places
        return {
            own.power: 0,
            own.power + 1: power,
            own.energy: energy >> 16,
            own.energy + 1: energy & 0xFFFF,
            own.secret: 0,
            own.secret + 1: 7,
        }


class Bus(Host):
    """A Modbus TCP endpoint with some meters behind it; one request at a time, in order."""

    def __init__(self, meters: list[Meter], rng: Random) -> None:
        super().__init__(lambda end: _Server(self, end))
        self.meters = {meter.number: meter for meter in meters}
        self.rng = rng


class _Server(asyncio.Protocol):
    """What the endpoint does on one connection."""

    def __init__(self, bus: Bus, end: End) -> None:
        self._bus, self._end = bus, end
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 6 and len(self._buffer) >= (size := 6 + self._buffer[5]):
            asked, self._buffer = self._buffer[:size], self._buffer[size:]
            if size == _READ:
                self._answer(asked)
            else:  # who it is, by function 43: it does not know how to say
                self._end.write(asked[:5] + bytes((3, asked[6], asked[7] | 0x80, 1)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._buffer = b""

    def _answer(self, asked: bytes) -> None:  # noqa: C901 - one case for each way to answer
        number, _, _, unit, function, first, count = struct.unpack(">HHHBBHH", asked)
        meter = self._bus.meters[unit]
        loop, rng = asyncio.get_running_loop(), self._bus.rng
        now, known = loop.time(), meter.registers(loop.time())
        wanted = range(first, first + count)
        data = b"".join(struct.pack(">H", known.get(one, 0)) for one in wanted)
        reply = struct.pack(">HHHBBB", number, 0, 3 + len(data), unit, function, len(data)) + data
        if meter.places.energy in wanted:
            meter.served.append((now, meter.energy(now)))
        match meter.mode:
            case "silent":
                return
            case "late":
                loop.call_later(rng.uniform(0.5, 2.5), self._end.write, reply)
            case "very_late":
                loop.call_later(rng.uniform(3.0, 20.0), self._end.write, reply)
            case "garbage":
                self._end.write(rng.randbytes(rng.randrange(1, 40)))
            case "wrong_number":
                self._end.write(struct.pack(">H", (number + rng.choice((-1, 1, 7))) % 65536) + reply[2:])
            case "exception":
                code = rng.choice((1, 2, 3, 4, 5, 6, 8, 10, 11))
                self._end.write(struct.pack(">HHHBBB", number, 0, 3, unit, function | 0x80, code))
            case "twice":
                self._end.write(reply)
                loop.call_later(rng.uniform(0.0, 0.003), self._end.write, reply)  # while the next is asked
            case "short":
                self._end.write(reply[: rng.randrange(1, len(reply))])
            case "half":
                middle = rng.randrange(1, len(reply))
                self._end.write(reply[:middle])
                loop.call_later(rng.uniform(0.0, 0.3), self._end.write, reply[middle:])
            case "reset":
                self._end.reset()
            case _:
                self._end.write(reply)
