"""Modbus RTU on a serial port: against libmodbus and mbpoll over pseudo-terminals, and against cut lines."""

from __future__ import annotations

import asyncio
import os
import pty
import random
import re
import struct
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agent.core.clock import SystemClock
from agent.core.driver import CanPlan, CanRead, Driver
from agent.core.duration import Duration
from agent.core.errors import DriverError
from drivers.modbus.device import ModbusDevice
from drivers.modbus.point import ModbusPoint
from drivers.modbus_rtu import ModbusRtu
from tests.drivers.modbus.rtu_wire import Asked
from tests.drivers.test_modbus_rtu_tcp import judge, scattered
from tests.drivers.test_modbus_tcp import Running, device, eventually, registers
from tests.peers import need
from tests.peers.serial_line import SerialLine, serial_line, slave


@pytest.fixture
def line(tmp_path: Path) -> Iterator[SerialLine]:
    with serial_line(tmp_path) as made:
        yield made


def link(line: SerialLine, *devices: ModbusDevice, timeout: float = 0.5) -> ModbusRtu:
    return ModbusRtu(
        name="bus", path=str(line.ours), timeout=Duration(timeout), listen=Duration(0), devices=tuple(devices)
    )


def test_the_driver_offers_all_abilities() -> None:
    driver: Driver = ModbusRtu(path="/dev/ttyUSB0")
    assert isinstance(driver, CanRead)
    assert isinstance(driver, CanPlan)


def test_naming_the_driver_loads_neither_asyncio_nor_pyserial() -> None:
    program = (
        "import sys, drivers.modbus_rtu as m; m.ModbusRtu(path='x').plan(); "
        "sys.exit(bool({'asyncio', 'serial', 'termios'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_values_agree_with_what_libmodbus_serves(line: SerialLine) -> None:
    points = {
        "float": ModbusPoint(addr=0x4366, table="input", type="f32"),
        "pair": ModbusPoint(addr=7, type="u32"),
        "on": ModbusPoint(addr=9, table="coil", type="bool"),
        "off": ModbusPoint(addr=10, table="discrete", type="bool"),
        "nowhere": ModbusPoint(addr=20_000),
        "last": ModbusPoint(addr=9999),
    }
    points["float"] = ModbusPoint(addr=100, table="input", type="f32", sentinel="none")
    with slave(line.theirs, 7):
        readings = await link(line, device(points, unit=7)).read((), SystemClock())
    got = {one.sample.point.removeprefix("meter."): (one.sample.value, one.sample.why) for one in readings}
    (number,) = struct.unpack(">f", struct.pack(">2H", 100, 101))
    assert got == {
        "float": (number, ""),
        "pair": (7 << 16 | 8, ""),
        "on": (1, ""),
        "off": (0, ""),
        "nowhere": (None, "illegal_address"),
        "last": (9999, ""),
    }


async def test_values_agree_with_mbpoll(line: SerialLine) -> None:
    words = [need("mbpoll"), "-m", "rtu", "-a", "3", "-b", "9600", "-P", "none", "-t", "4:hex", "-0", "-1"]
    with slave(line.theirs, 3):
        words += ["-r", "300", "-c", "20", str(line.ours)]
        asked = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
        told = (await asked.communicate())[0].decode()
        theirs = {int(at): word.lower() for at, word in re.findall(r"\[(\d+)\]:\s+0x([0-9A-Fa-f]{4})", told)}
        ours = await link(line, device(registers(*range(300, 320)), unit=3)).read((), SystemClock())
    assert {int(one.sample.point.removeprefix("meter.r")): one.raw for one in ours} == theirs
    assert len(theirs) == 20


async def test_a_port_is_opened_for_us_alone(line: SerialLine) -> None:
    with slave(line.theirs, 1):
        async with Running(link(line, device(registers(1)))) as running:
            await running.seen.until(1, "meter.r1", 1)
            program = (
                "import asyncio, sys; from agent.core.clock import SystemClock; "
                "from drivers.modbus_rtu import ModbusRtu; "
                "asyncio.run(ModbusRtu(path=sys.argv[1]).link(SystemClock()).listen(0))"
            )
            other = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, str(line.ours), stderr=asyncio.subprocess.PIPE
            )
            _, said = await other.communicate()
            assert f"{line.ours} is in use by another program" in said.decode()
            await running.seen.until(len(running.seen.samples) + 2, "meter.r1", 1)


async def test_a_pulled_adapter_is_noticed_at_once_and_its_return_too(line: SerialLine) -> None:
    driver = link(line, device(registers(1)))
    with slave(line.theirs, 1):
        async with Running(driver) as running:
            await running.seen.until(2, "meter.r1", 1)
            line.unplug()
            with pytest.raises(DriverError, match=r"is gone \(.*\); was its adapter unplugged"):
                async with asyncio.timeout(0.5):
                    await running.task
            assert running.seen.samples[-1].why == "no_connection"
            assert running.desk.figures["connected"] == "no"
    with pytest.raises(DriverError, match="is not there; "):
        await driver.read((), SystemClock())
    line.plug()
    with slave(line.theirs, 1):
        async with asyncio.timeout(2):
            (reading,) = await driver.read((), SystemClock())
    assert reading.sample.value == 1


async def test_many_pulls_in_a_row_leave_no_port_open_and_no_crash(line: SerialLine) -> None:
    for _ in range(5):
        async with Running(link(line, device(registers(1)), timeout=0.05)) as running:
            await running.seen.until(1, "meter.r1")
            line.unplug()
            with pytest.raises(DriverError):
                async with asyncio.timeout(2):
                    await running.task
        line.plug()
    with slave(line.theirs, 1):
        (reading,) = await link(line, device(registers(1))).read((), SystemClock())
    assert reading.sample.value == 1


def test_the_plan_prices_requests_by_baud_rate() -> None:
    meter = device({f"p{addr}": ModbusPoint(addr=addr) for addr in (0, 14, 40)})
    slow, fast = (ModbusRtu(path="x", baud=baud, devices=(meter,)).plan() for baud in (9600, 115_200))
    assert [one.request for one in slow] == ["FC3 0..14", "FC3 40..40"]
    assert [one.request for one in fast] == ["FC3 0..40"]
    # 13 + 30 characters of 10 bits, two silences of 3.5 characters, and 10 ms
    assert slow[0].bus_ms == pytest.approx((43 + 7) * 10 / 9.6 + 10)


class NoisySlave:
    """A device on the other end of a pseudo-terminal: one reply in twenty late, one in twenty disturbed."""

    def __init__(self, timeout: float) -> None:
        self.fd, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.fd, False)
        self.path = os.ttyname(self._slave)
        self._timeout, self._chance = timeout, random.Random(3)
        self._buffer, self._free_at = b"", 0.0
        self.asked = self.late = self.noisy = 0

    def __enter__(self) -> NoisySlave:
        asyncio.get_running_loop().add_reader(self.fd, self._read)
        return self

    def __exit__(self, *failure: object) -> None:
        asyncio.get_running_loop().remove_reader(self.fd)
        os.close(self.fd)
        os.close(self._slave)

    def _read(self) -> None:
        with suppress(OSError):
            self._buffer += os.read(self.fd, 4096)
        # the question for the identification is one byte shorter
        while len(self._buffer) >= (size := 7 if self._buffer[1:2] == b"\x2b" else 8):
            frame, self._buffer = self._buffer[:size], self._buffer[size:]
            self._answer(Asked(frame))

    def _answer(self, asked: Asked) -> None:
        self.asked += 1
        loop, chance = asyncio.get_running_loop(), self._chance
        is_late, is_noisy = chance.random() < 0.05, chance.random() < 0.05
        self.late, self.noisy = self.late + is_late, self.noisy + is_noisy
        pause = self._timeout * chance.uniform(1.1, 1.8) if is_late else 0.001
        absent = any(addr % 700 == 699 for addr in range(asked.addr, asked.addr + asked.count))
        reply = asked.refusal(2) if absent else asked.reply()
        reply = asked.refusal(1) if asked.function == 0x2B else reply
        if is_noisy:
            broken = bytearray(reply)
            broken[chance.randrange(len(broken))] ^= chance.randint(1, 255)
            reply = chance.choice((bytes(broken), chance.randbytes(3) + reply, asked.frame + reply))
        # answers come in order, as from a device with a queue
        self._free_at = max(self._free_at, loop.time()) + pause
        loop.call_at(self._free_at, self._write, reply)

    def _write(self, reply: bytes) -> None:
        with suppress(OSError):
            os.write(self.fd, reply)


@pytest.mark.parametrize("reads", [120, pytest.param(2000, marks=pytest.mark.long)])
async def test_a_noisy_line_with_late_replies_gives_no_wrong_value(reads: int) -> None:
    timeout = 0.06
    with NoisySlave(timeout) as far:
        driver = ModbusRtu(
            path=far.path,
            baud=115_200,
            timeout=Duration(timeout),
            listen=Duration(0),
            devices=(device(scattered(random.Random(5)) | registers(698, 699, 2799), every=0.1),),
        )
        async with Running(driver) as running:
            await eventually(lambda: far.asked >= reads, 120)
    found = judge(running.seen.samples, illegal=True)
    assert found["WRONG"] == found["FALSE"] == 0
    assert found["right"] > 0.5 * found.total()
    assert far.late > reads / 60
    assert far.noisy > reads / 100
