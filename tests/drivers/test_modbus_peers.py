"""The Modbus drivers against servers that we did not write: what is true of one must be true of all."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from agent.core.clock import SystemClock
from agent.core.driver import Reading
from agent.core.duration import Duration
from drivers.modbus.device import ModbusDevice
from drivers.modbus.point import WORDS, ByteOrder, ModbusPoint, Table, Type
from drivers.modbus_rtu import ModbusRtu
from drivers.modbus_tcp import ModbusTcp
from tests.drivers.test_modbus_tcp import Running, device, registers
from tests.peers import need
from tests.peers.modbus_servers import BAUD, PEERS, UNIT, Memory, Peer
from tests.peers.serial_line import serial_line

NUMBERS: Final[dict[Type, tuple[str, float]]] = {
    "u16": (">H", 54_321),
    "i16": (">h", -12_345),
    "u32": (">I", 3_210_987_654),
    "i32": (">i", -1_234_567_890),
    "u64": (">Q", 9_876_543_210_123),
    "i64": (">q", -9_876_543_210_123),
    "f32": (">f", 230.25),
    "f64": (">d", -49.987),
}
REGISTERS: Final[tuple[Table, ...]] = ("holding", "input")
BITS: Final[tuple[Table, ...]] = ("coil", "discrete")
ORDERS: Final[tuple[ByteOrder, ...]] = ("ABCD", "CDAB", "BADC", "DCBA")
SIZE: Final = 2000
NOWHERE: Final = 20_000


class Way:
    """How a peer is reached: over TCP, or on one end of a serial line whose other end is ours."""

    def __init__(self, peer: Peer, folder: Path | None) -> None:
        self.peer, self._folder = peer, folder

    @contextmanager
    def serving(
        self, memory: Memory, *devices: ModbusDevice, timeout: float = 2.0
    ) -> Iterator[ModbusTcp | ModbusRtu]:
        """Give the link to it for the length of a ``with`` block."""
        wait = Duration(timeout)
        if self._folder is None:
            with self.peer.serve(memory) as port:
                yield ModbusTcp(name="room", host="127.0.0.1", port=port, timeout=wait, devices=devices)
            return
        with serial_line(self._folder) as line, self.peer.serve(memory, line.theirs):
            yield ModbusRtu(
                name="bus",
                path=str(line.ours),
                baud=BAUD,
                timeout=wait,
                listen=Duration(0),
                devices=devices,
            )


WAYS: Final = [
    *((peer, "tcp") for peer in PEERS.values()),
    *((peer, "rtu") for peer in PEERS.values() if peer.serial),
]


def over(chosen: Callable[[Peer], bool] = lambda _: True) -> pytest.MarkDecorator:
    """Let a test run with each peer that is *chosen*, over each way to it."""
    ways = [one for one in WAYS if chosen(one[0])]
    return pytest.mark.parametrize(
        "way", ways, indirect=True, ids=[f"{peer.name}-{kind}" for peer, kind in ways]
    )


@pytest.fixture
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Way:
    peer, kind = request.param
    return Way(peer, tmp_path if kind == "rtu" else None)


def memory(refuse: Mapping[int, int] = MappingProxyType({}), **tables: Sequence[int]) -> Memory:
    """Fill what is not given: register *i* holds *i*, bit *i* is set by chance."""
    chance = random.Random(1)
    filled = {table: [*range(SIZE)] for table in ("holding", "input")}
    filled |= {table: [chance.randrange(2) for _ in range(SIZE)] for table in ("coil", "discrete")}
    return Memory(filled | {table: [*values] for table, values in tables.items()}, dict(refuse))


def told(readings: Sequence[Reading]) -> dict[str, tuple[float | None, str]]:
    return {one.sample.point.removeprefix("meter."): (one.sample.value, one.sample.why) for one in readings}


def wire(type_: Type, order: ByteOrder) -> bytes:
    """Lay a number out as a device of that order does, spelled apart from the codec."""
    form, number = NUMBERS[type_]
    pairs = [struct.pack(form, number)[i : i + 2] for i in range(0, 2 * WORDS[type_], 2)]
    if order in ("CDAB", "DCBA"):
        pairs.reverse()
    return b"".join(pair[::-1] if order in ("BADC", "DCBA") else pair for pair in pairs)


@over()
async def test_numbers_of_every_type_and_order_arrive_as_they_were_stored(way: Way) -> None:
    points: dict[str, ModbusPoint] = {}
    stored = [0] * SIZE
    for at, (type_, order) in enumerate((type_, order) for type_ in NUMBERS for order in ORDERS):
        words = struct.unpack(f">{WORDS[type_]}H", wire(type_, order))
        stored[4 * at : 4 * at + len(words)] = words
        for table in REGISTERS:
            points[f"{type_}-{order}-{table}"] = ModbusPoint(
                addr=4 * at, table=table, type=type_, byte_order=order
            )
    with way.serving(memory(holding=stored, input=stored), device(points, unit=UNIT)) as link:
        readings = await link.read((), SystemClock())
    assert told(readings) == {name: (NUMBERS[point.type][1], "") for name, point in points.items()}


@over()
async def test_bits_arrive_each_from_its_own_place_in_the_longest_reply(way: Way) -> None:
    stored = memory()
    points: dict[str, ModbusPoint] = {}
    for addr in {0, SIZE - 1, *random.Random(2).sample(range(SIZE), 100)}:
        points |= {f"{table}-{addr}": ModbusPoint(addr=addr, table=table, type="bool") for table in BITS}
    with way.serving(stored, device(points, unit=UNIT)) as link:
        got = told(await link.read((), SystemClock()))
        assert [one.request for one in link.plan()] == ["FC1 0..1999", "FC2 0..1999"]
    assert got == {name: (stored.tables[one.table][one.addr], "") for name, one in points.items()}


@over()
async def test_the_longest_replies_are_read_whole(way: Way) -> None:
    both = device(registers(*range(250)), unit=UNIT)
    with way.serving(memory(), both) as link:
        readings = await link.read((), SystemClock())
        assert [one.request for one in link.plan()] == ["FC3 0..124", "FC3 125..249"]
    assert [one.sample.value for one in readings] == [*range(250)]


@over()
async def test_bits_codes_and_scales_are_taken_of_what_a_peer_stores(way: Way) -> None:
    stored = [*range(SIZE)]
    stored[10:16] = [0b1010_0110_0000_0001, 3, 0x1234, 2305, 0xFFFF, 0xFFFE]
    points = {
        "alarm": ModbusPoint(addr=10, type="bit", bit=0),
        "quiet": ModbusPoint(addr=10, type="bit", bit=1),
        "stage": ModbusPoint(addr=10, type="bit", bit=13, bits=3),
        "mode": ModbusPoint(addr=11, codes={"3": 30, "4": 40}),
        "digits": ModbusPoint(addr=12, type="bcd16"),
        "power": ModbusPoint(addr=13, scale_addr=15),
        "absent": ModbusPoint(addr=14),
    }
    with way.serving(memory(holding=stored), device(points, unit=UNIT)) as link:
        got = told(await link.read((), SystemClock()))
    assert got == {
        "alarm": (1, ""), "quiet": (0, ""), "stage": (5, ""), "mode": (30, ""), "digits": (1234, ""),
        "power": (pytest.approx(23.05), ""), "absent": (None, "not_available"),
    }  # fmt: skip


@over(lambda peer: peer.refuses)
async def test_what_a_peer_does_not_have_costs_no_other_value(way: Way) -> None:
    points = registers(0, SIZE - 1, SIZE, NOWHERE)
    points |= {"bit": ModbusPoint(addr=NOWHERE, table="coil", type="bool")}
    with way.serving(memory(), device(points, unit=UNIT)) as link:
        got = told(await link.read((), SystemClock()))
    nothing = (None, "illegal_address")
    assert got == {
        "r0": (0, ""), f"r{SIZE - 1}": (SIZE - 1, ""),
        f"r{SIZE}": nothing, f"r{NOWHERE}": nothing, "bit": nothing,
    }  # fmt: skip


@over(lambda peer: not peer.refuses)
async def test_a_reply_that_is_cut_short_gives_no_value(way: Way) -> None:
    with way.serving(memory(), device(registers(0, SIZE - 1, SIZE), unit=UNIT), timeout=0.2) as link:
        got = told(await link.read((), SystemClock()))
    assert got == {"r0": (0, ""), f"r{SIZE - 1}": (None, "bad_reply"), f"r{SIZE}": (None, "bad_reply")}


@over(lambda peer: peer.refuses)
async def test_an_exception_comes_as_its_reason_and_leaves_the_others(way: Way) -> None:
    codes = {200: 1, 400: 2, 600: 3, 800: 4, 1000: 6, 1200: 11}
    points = registers(0, *codes, 399, 401)
    with way.serving(memory(codes), device(points, unit=UNIT)) as link:
        got = told(await link.read((), SystemClock()))
    assert got == {
        "r0": (0, ""), "r399": (399, ""), "r401": (401, ""),
        "r200": (None, "exception"), "r400": (None, "illegal_address"), "r600": (None, "exception"),
        "r800": (None, "exception"), "r1000": (None, "busy"), "r1200": (None, "no_reply"),
    }  # fmt: skip


@over(lambda peer: peer.minds_units)
async def test_another_units_silence_is_no_value(way: Way) -> None:
    there, away = device(registers(1), "there", unit=UNIT), device(registers(1), "away", unit=UNIT + 1)
    with way.serving(memory(), there, away, timeout=0.3) as link:
        readings = await link.read((), SystemClock())
    assert [(one.sample.point, one.sample.value, one.sample.why) for one in readings] == [
        ("there.r1", 1, ""),
        ("away.r1", None, "no_reply"),
    ]


@over()
async def test_a_link_polls_on_and_on(way: Way) -> None:
    points = registers(*range(0, 500, 7)) | registers(*range(1, 500, 7), table="input")
    with way.serving(memory(), device(points, unit=UNIT, every=0.1)) as link:
        async with Running(link) as running:
            await running.seen.until(4, "meter.r497")
    assert {one.value for one in running.seen.samples} == {int(name[1:]) for name in points}
    assert {one.why for one in running.seen.samples} == {""}
    for name in points:
        assert {one.value for one in running.seen.of(f"meter.{name}")} == {int(name[1:])}


def polled(link: ModbusTcp | ModbusRtu, kind: str, count: int) -> list[float]:
    """Ask with mbpoll for the first *count* values of a kind (its ``-t``)."""
    if isinstance(link, ModbusTcp):
        there = ["-m", "tcp", "-p", str(link.port), link.host]
    else:
        there = ["-m", "rtu", "-b", str(BAUD), "-P", "none", link.path]
    command = [need("mbpoll"), "-a", str(UNIT), "-0", "-1", "-B", "-t", kind, "-r", "0", "-c", str(count)]
    said = subprocess.run([*command, *there], capture_output=True, text=True, check=True).stdout
    return [float(value) for value in re.findall(r"(?m)^\[\d+\]:\s+(\S+)", said)]


@over()
async def test_mbpoll_sees_the_same(way: Way) -> None:
    floats = [230.25, -49.5, 0.125, 1e9, -3e-5]
    stored = memory(input=struct.unpack(">10H", struct.pack(">5f", *floats)))
    points = {f"f{i}": ModbusPoint(addr=2 * i, table="input", type="f32") for i in range(5)}
    points |= {f"n{i}": ModbusPoint(addr=2 * i, type="i32") for i in range(5)}
    points |= {
        f"{table}{i}": ModbusPoint(addr=i, table=table, type="bool") for table in BITS for i in range(19)
    }
    with way.serving(stored, device(points, unit=UNIT)) as link:
        theirs = {
            "f": polled(link, "3:float", 5),
            "n": polled(link, "4:int", 5),
            "coil": polled(link, "0", 19),
            "discrete": polled(link, "1", 19),
        }
        ours = told(await link.read((), SystemClock()))
    assert {name: len(values) for name, values in theirs.items()} == {
        "f": 5,
        "n": 5,
        "coil": 19,
        "discrete": 19,
    }
    for name, values in theirs.items():
        assert [ours[f"{name}{i}"][0] for i in range(len(values))] == pytest.approx(values, rel=1e-5)
