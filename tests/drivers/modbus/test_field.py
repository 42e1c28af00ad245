"""What happens in the field: faults of one unit, overlapping values, reset storms, and no write ever."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.clock import SystemClock
from agent.core.errors import DriverError
from agent.core.point import Kind
from drivers.modbus.device import ModbusDevice
from drivers.modbus.point import ModbusPoint
from drivers.modbus.registers import Registers
from drivers.modbus_rtu import ModbusRtu
from drivers.modbus_rtu_tcp import ModbusRtuTcp
from drivers.modbus_tcp import ModbusTcp
from drivers.modbus_tls import ModbusTls
from drivers.p1 import P1
from drivers.searches.modbus import Modbus as Search
from tests.drivers.modbus.rtu_wire import Asked as RtuAsked
from tests.drivers.modbus.rtu_wire import rtu_serving
from tests.drivers.modbus.wire import RESET, Asked, serving
from tests.drivers.searches.kit import Facts, Heard
from tests.drivers.test_modbus_tcp import Running, device, link, registers
from tests.peers import libmodbus
from tests.virtual import VirtualClock, simulate


@pytest.mark.parametrize(
    ("code", "why"), [(0x06, "busy"), (0x05, "busy"), (0x0A, "no_reply"), (0x0B, "no_reply")]
)
async def test_a_fault_of_one_unit_behind_a_gateway_is_its_own(
    code: int, why: str, virtual: VirtualClock
) -> None:
    """It costs no other unit a poll, nobody the connection, and nothing is read twice because of it."""
    units = [device(registers(*range(10)), f"u{unit}", unit=unit, every=1.0) for unit in range(1, 11)]

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        return [0.005, asked.refusal(code) if asked.unit == 3 else asked.reply()]

    async with serving(behaviour) as wire:
        async with Running(link(wire.port, *units, timeout=1.0), virtual) as running:
            await virtual.sleep(37.5)
        assert (wire.ever, wire.most) == (1, 1)
    for one in units:
        got = running.seen.of(f"{one.name}.r0")
        if one.unit == 3:
            assert {(sample.value, sample.why) for sample in got} == {(None, why)}
        else:
            assert [sample.value for sample in got] == [0.0] * 38
    asked_of = [one.unit for one in wire.asked]
    assert asked_of.count(1) == asked_of.count(10) == 38
    assert asked_of.count(3) == 2 * 38 if why == "busy" else 25 < asked_of.count(3) < 35


async def test_overlapping_values_are_each_read_whole() -> None:
    """A 64-bit value with a 16-bit one inside it: a peer cuts the request to the shorter and makes zeros."""
    points = {
        "wide": ModbusPoint(addr=0, type="u64"),
        "inside": ModbusPoint(addr=1),
        "across": ModbusPoint(addr=3, type="u32"),
        "same": ModbusPoint(addr=0, type="u64", byte_order="CDAB"),
    }
    with libmodbus.serve() as meter:
        meter.set("holding", 0, [0x0001, 0x0203, 0x0405, 0x0607, 0x0809])
        readings = await link(meter.port, device(points)).read((), SystemClock())
        assert meter.requests() == [[1, 3, 0, 5]]
    got = {one.sample.point.removeprefix("meter."): one.sample.value for one in readings}
    words = (0x0001, 0x0203, 0x0405, 0x0607)
    assert got == {
        "wide": float(int.from_bytes(b"".join(one.to_bytes(2, "big") for one in words), "big")),
        "inside": 0x0203,
        "across": 0x0607 << 16 | 0x0809,
        "same": float(int.from_bytes(b"".join(one.to_bytes(2, "big") for one in words[::-1]), "big")),
    }


@pytest.mark.parametrize("most", [1, 10, 125])
@pytest.mark.parametrize("extra", [0, 1])
async def test_a_run_one_longer_than_its_requests_is_read_to_the_last(most: int, extra: int) -> None:
    """Each request is in the plan, and none is longer than the device's limit."""
    count = 3 * most + extra
    meter_of = device(registers(*range(100, 100 + count)), max_block=most)
    with libmodbus.serve() as meter:
        driver = link(meter.port, meter_of)
        readings = await driver.read((), SystemClock())
        asked = meter.requests()
    assert [one.sample.value for one in readings] == [float(addr) for addr in range(100, 100 + count)]
    assert len(asked) == len(driver.plan()) == 3 + extra
    assert max(one[3] for one in asked) == most


async def test_a_storm_of_resets_leaves_one_connection_and_no_wrong_value(virtual: VirtualClock) -> None:
    """Every other question is answered by a reset; the link is started again each time."""
    storm = True

    def behaviour(asked: Asked) -> Sequence[bytes | float]:
        return [RESET] if storm and len(wire.asked) % 2 else [asked.reply()]

    meter = device(registers(1, 2000), every=0.5)
    async with serving(behaviour) as wire:
        samples = []
        for _ in range(20):
            async with Running(link(wire.port, meter), virtual) as running:
                with pytest.raises(DriverError, match="closed the connection"):
                    await running.task
                samples += running.seen.samples
        assert wire.most == 1
        storm = False
        async with Running(link(wire.port, meter), virtual) as running:
            await virtual.sleep(3)
        assert wire.most == 1
    assert {one.why for one in samples} <= {"", "no_connection"}
    assert {one.value for one in samples if one.point == "meter.r2000"} <= {2000.0, None}
    assert running.seen.of("meter.r2000")[-1].value == 2000


async def test_only_reads_ever_reach_a_serial_line(virtual: VirtualClock) -> None:
    """With holes, silences, a serial number and a search for units: every way to a request is walked."""
    points = {
        **registers(*range(20)),
        "energy": ModbusPoint(addr=30, type="u32", kind=Kind.COUNTER),
        "i": ModbusPoint(addr=3, table="input"),
        "c": ModbusPoint(addr=4, table="coil", type="bool"),
        "d": ModbusPoint(addr=5, table="discrete", type="bool"),
    }

    def behaviour(asked: RtuAsked) -> Sequence[bytes | float]:
        if asked.function not in (1, 2, 3, 4) or asked.addr <= 7 < asked.addr + asked.count:
            return [asked.refusal(1 if asked.function > 4 else 2)]
        return [] if len(wire.asked) % 7 == 0 else [asked.reply()]

    meter = ModbusDevice(name="meter", points=points, serial=Registers(addr=900))
    async with rtu_serving(behaviour) as wire:
        driver = ModbusRtuTcp(host="127.0.0.1", port=wire.port, devices=(meter,))
        async with Running(driver, virtual) as running:
            await virtual.sleep(900)
            await running.desk.wish(())
        await driver.read((), virtual)
        heard = Heard()
        await Search(targets=(f"127.0.0.1:{wire.port}",), over="rtu", units="1").search(
            Facts(), virtual, heard
        )
        assert heard.found
    assert {one.function for one in wire.asked} == {1, 2, 3, 4, 0x2B}
    assert {len(one.frame) for one in wire.asked} == {8, 7}


def test_every_way_names_the_endpoint_that_only_one_link_may_have() -> None:
    by_address = (ModbusTcp(host="Roof", port=7), ModbusRtuTcp(host="roof", port=7), P1(host="roof", port=7))
    assert {one.endpoint for one in by_address} == {"roof port 7"}
    secure = ModbusTls(host="roof", port=7, ca="c", certificate="d", key="e")
    assert secure.endpoint == "roof port 7"
    assert ModbusRtu(path="/dev/ttyUSB0").endpoint == P1(path="/dev/ttyUSB0").endpoint == "/dev/ttyUSB0"


places = st.tuples(st.integers(0, 60), st.sampled_from(["u16", "u32", "u64"]))


@settings(deadline=None, max_examples=25)
@given(st.lists(places, min_size=1, max_size=25), st.sampled_from([4, 7, 16, 125]))
def test_values_that_overlap_at_random_are_all_right(where: list[tuple[int, str]], most: int) -> None:
    simulate(_all_right(VirtualClock(), where, most))


async def _all_right(clock: VirtualClock, where: list[tuple[int, str]], most: int) -> None:
    points = {
        f"p{number}": ModbusPoint(addr=addr, type=kind)  # type: ignore[arg-type]
        for number, (addr, kind) in enumerate(where)
    }
    async with serving() as wire:
        readings = await link(wire.port, device(points, max_block=most)).read((), clock)
        assert max(one.count for one in wire.asked) <= most
        assert wire.ever == 1
    for one, (addr, kind) in zip(readings, where, strict=True):
        words = {"u16": 1, "u32": 2, "u64": 4}[kind]
        right = int.from_bytes(b"".join(n.to_bytes(2, "big") for n in range(addr, addr + words)), "big")
        assert one.sample.value == float(right)
