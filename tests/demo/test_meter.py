"""The demo's meter answers like a meter, and its log is what it answered."""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.demo.load import STEEPEST, energy, mean_power, power
from agent.demo.meter import registers, reply

NOW, SINCE = 1_795_291_200.0, 1_795_291_000.0
ENERGY = struct.pack(">BHH", 4, 0x48, 2)


def single(words: list[int], address: int) -> float:
    packed = struct.pack(">2H", *words[address : address + 2])
    return float(struct.unpack(">f", packed)[0])


def test_registers_hold_singles_with_the_high_word_first() -> None:
    words = registers(NOW, SINCE)
    assert single(words, 0x34) == pytest.approx(power(NOW) * 1000, rel=1e-6)
    assert single(words, 0x48) == pytest.approx(energy(NOW, SINCE), abs=0.003)
    assert single(words, 0x46) == pytest.approx(50, abs=0.02)
    phases = sum(single(words, address) for address in (0x0C, 0x0E, 0x10))
    assert phases == pytest.approx(single(words, 0x34), rel=1e-5)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (struct.pack(">BHH", 3, 0, 2), b"\x83\x01"),
        (struct.pack(">BH", 4, 0), b"\x84\x03"),
        (struct.pack(">BHH", 4, 0, 0), b"\x84\x03"),
        (struct.pack(">BHH", 4, 0, 126), b"\x84\x03"),
        (struct.pack(">BHH", 4, 0x17F, 2), b"\x84\x02"),
        (struct.pack(">BHH", 6, 0, 1), b"\x86\x01"),
    ],
)
def test_what_cannot_be_read_is_refused_as_the_standard_says(request_: bytes, answer: bytes) -> None:
    assert reply(request_, registers(NOW, SINCE)) == answer


def test_the_counter_is_the_integral_of_power() -> None:
    grown = energy(NOW + 3600, SINCE) - energy(NOW, SINCE)
    assert grown == pytest.approx(mean_power(NOW, NOW + 3600), abs=0.011)


def test_power_never_changes_faster_than_said() -> None:
    steps = [abs(power(NOW + n / 10 + 0.1) - power(NOW + n / 10)) / 0.1 for n in range(2000)]
    assert max(steps) <= STEEPEST


@asynccontextmanager
async def running(truth: Path) -> AsyncIterator[int]:
    words = (sys.executable, "-P", "-m", "agent.demo.meter", "--truth", str(truth))
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int((await process.stdout.readline()).split()[1])
    finally:
        process.terminate()
        await process.wait()


async def test_a_served_counter_value_stands_in_the_log(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    async with asyncio.timeout(20), running(truth) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(struct.pack(">HHHB", 7, 0, 6, 1) + ENERGY)
        head = struct.unpack(">HHHB", await reader.readexactly(7))
        body = await reader.readexactly(6)
        writer.close()
        await writer.wait_closed()
    assert head == (7, 0, 7, 1)
    [logged] = [json.loads(line) for line in truth.read_text().splitlines()]
    assert struct.unpack(">f", body[2:])[0] == pytest.approx(logged["import_energy"], abs=0.003)
