"""A line is handed to the most urgent of those who wait, and to everybody in the end."""

from __future__ import annotations

import asyncio

import pytest

from drivers.modbus.turns import Turns
from tests.virtual import VirtualClock


async def test_wishes_come_first_and_rare_reads_last(virtual: VirtualClock) -> None:
    turns, order = Turns(), []
    await turns.take(0.0)

    async def one(every: float) -> None:
        await turns.take(every)
        order.append(every)
        await virtual.sleep(0.1)
        turns.give()

    async with asyncio.TaskGroup() as group:
        for every in (60.0, 1.0, 10.0, 0.0, 1.0):
            group.create_task(one(every))
        await virtual.sleep(0.1)
        turns.give()
    assert order == [0.0, 1.0, 1.0, 10.0, 60.0]


async def test_nobody_waits_for_ever(virtual: VirtualClock) -> None:
    turns, told = Turns(), []

    async def greedy() -> None:
        while True:
            await turns.take(1.0)
            await virtual.sleep(0.4)
            turns.give()

    async def modest() -> None:
        begun = virtual.boot()
        await turns.take(60.0)
        told.append(virtual.boot() - begun)
        turns.give()

    tasks = [asyncio.create_task(greedy()) for _ in range(3)]
    await virtual.sleep(0.1)
    async with asyncio.timeout(700):
        await modest()
    for task in tasks:
        task.cancel()
    assert told[0] == pytest.approx(590, abs=5)


async def test_one_who_gave_up_waiting_is_passed_over(virtual: VirtualClock) -> None:
    turns = Turns()
    await turns.take(0.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await turns.take(1.0)
    waiting = asyncio.create_task(turns.take(5.0))
    await virtual.sleep(0)
    turns.give()
    await waiting
    turns.give()
    await turns.take(1.0)


async def test_a_turn_given_to_one_who_is_cancelled_goes_on(virtual: VirtualClock) -> None:
    turns = Turns()
    await turns.take(0.0)
    first, second = asyncio.create_task(turns.take(1.0)), asyncio.create_task(turns.take(2.0))
    await virtual.sleep(0)
    turns.give()
    first.cancel()
    await second
    assert first.cancelled()


async def test_one_who_gives_up_waiting_hands_on_no_turn_of_another(virtual: VirtualClock) -> None:
    turns = Turns()
    await turns.take(0.0)
    first, second = (asyncio.create_task(turns.take(1.0)) for _ in range(2))
    await virtual.sleep(1)
    first.cancel()
    await virtual.sleep(1)
    assert not second.done(), "two would speak at once"
    turns.give()
    await second
