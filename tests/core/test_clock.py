"""The clock is an argument; these are the kernel's one and the tests' virtual one."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path
from typing import Any

import pytest

from agent.core import clock
from agent.core.clock import Clock, Instant, SystemClock, kernel_is_synced
from tests.virtual import START, VirtualClock, VirtualLoop, simulate


def test_an_instant_knows_what_turns_boot_time_into_utc() -> None:
    assert Instant(boot=100.0, utc=5100.0).offset == 5000.0


def test_asking_once_a_second_whether_the_kernel_is_synchronised_leaves_nothing_behind() -> None:
    kernel_is_synced()
    gc.collect()
    for _ in range(100):
        kernel_is_synced()
    assert gc.collect() < 100


def test_the_system_clock_reads_boot_time_and_utc() -> None:
    clock: Clock = SystemClock()
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    now = clock.now()
    assert before <= now.boot <= time.clock_gettime(time.CLOCK_BOOTTIME)
    assert abs(now.utc - time.time()) < 1.0
    assert now.synced is kernel_is_synced()


def test_the_boot_id_is_the_same_for_the_whole_boot() -> None:
    assert SystemClock().boot_id == SystemClock().boot_id
    assert len(SystemClock().boot_id) == 8


async def test_a_sleep_of_nothing_still_lets_others_run() -> None:
    ran = asyncio.Event()
    asyncio.get_running_loop().call_soon(ran.set)
    await SystemClock().sleep(-1)
    assert ran.is_set()


async def test_virtual_time_passes_without_waiting(virtual: VirtualClock) -> None:
    clock: Clock = virtual
    began, real = clock.boot(), time.monotonic()
    await clock.sleep(30 * 86400)
    assert clock.boot() - began == pytest.approx(30 * 86400)
    assert time.monotonic() - real < 5


async def test_virtual_tasks_meet_in_the_order_of_their_times(virtual: VirtualClock) -> None:
    order: list[str] = []

    async def at(seconds: float, name: str) -> None:
        await virtual.sleep(seconds)
        order.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(at(3, "third"))
        group.create_task(at(1, "first"))
        group.create_task(at(2, "second"))
    assert order == ["first", "second", "third"]


async def test_a_step_of_the_time_of_day_leaves_boot_time_alone(virtual: VirtualClock) -> None:
    before = virtual.now()
    virtual.step(-3600)
    after = virtual.now()
    assert after.boot == before.boot
    assert after.utc == before.utc - 3600 == START - 3600


async def test_work_for_threads_takes_no_virtual_time(virtual: VirtualClock) -> None:
    began = virtual.boot()
    assert await asyncio.to_thread(sum, [1, 2, 3]) == 6
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 / 0)
    assert virtual.boot() == began


async def test_sockets_within_the_test_work_on_virtual_time(virtual: VirtualClock) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await virtual.sleep(7)
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        began = virtual.boot()
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        assert virtual.boot() - began == pytest.approx(7)
        writer.close()
        await writer.wait_closed()


async def test_virtual_time_passes_after_a_year_too(virtual: VirtualClock) -> None:
    for days in (180, 100, 100, 4000):
        await virtual.sleep(days * 86400.0)
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        loop.call_at(loop.time(), came.set)
        async with asyncio.timeout(1):
            await came.wait()


def test_a_test_that_is_not_async_can_simulate_too() -> None:
    clock = VirtualClock()

    async def scenario() -> float:
        assert isinstance(asyncio.get_running_loop(), VirtualLoop)
        await clock.sleep(5)
        return clock.now().utc

    assert simulate(scenario()) == pytest.approx(START + 5)


@pytest.mark.parametrize(("status", "synced"), [(0x0001, True), (0x0041, False)])
def test_the_kernel_says_whether_it_is_synchronised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, synced: bool
) -> None:
    class Kernel:
        def adjtimex(self, where: Any) -> int:  # noqa: ANN401 - a reference of ctypes
            where._obj.status = status
            return 0

    monkeypatch.setattr(clock, "_libc", Kernel)
    monkeypatch.setattr(clock, "_SYNCED_FILE", tmp_path / "none")
    assert clock.kernel_is_synced() is synced
