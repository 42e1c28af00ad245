"""No device and no network is asked faster than is good for it, and the loop never stands still."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from drivers.bacnet.client import Pace
from drivers.bacnet.peer import Peer
from drivers.bacnet.stack import SilentError, StackError
from drivers.bacnet.turns import Bucket, Turns
from tests.drivers.bacnet.kit import client, ref
from tests.drivers.bacnet.wire import fake
from tests.peers import bacnet
from tests.virtual import VirtualClock

POINT = ref("analog-input,1 present-value")


@pytest.fixture
def device() -> Iterator[bacnet.Device]:
    with bacnet.rusty(instance=1011, analog_input=200) as one:
        yield one


async def test_600_reads_at_once_never_hold_up_the_loop(device: bacnet.Device) -> None:
    lags: list[float] = []

    async def feel() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - began - 0.001)

    async with client(Pace(timeout=2, rate=0)) as ours:
        feeler = asyncio.ensure_future(feel())
        points = [ref(f"analog-input,{number % 200} present-value") for number in range(600)]
        values = await asyncio.gather(*(ours.read(device.peer, point) for point in points))
        feeler.cancel()
    assert values[:3] == [pytest.approx(20.0), pytest.approx(20.1), pytest.approx(20.2)]
    assert len(values) == 600
    assert sorted(lags)[len(lags) * 99 // 100] < 0.05


async def test_600_reads_of_a_dead_device_cost_its_time_out_once(virtual: VirtualClock) -> None:
    async with client(Pace(timeout=1, retries=1, rate=0), virtual) as ours:
        began = virtual.boot()
        dead = Peer.parse("127.0.0.9:9")
        told = await asyncio.gather(*(ours.read(dead, POINT) for _ in range(600)), return_exceptions=True)
        assert {type(one) for one in told} == {SilentError}
        assert virtual.boot() - began == pytest.approx(2)
        assert ours.counts(dead).requests == 2


async def test_a_device_that_was_silent_is_asked_again(virtual: VirtualClock) -> None:
    async with fake() as device, client(clock=virtual) as ours:
        device.mute = True
        with pytest.raises(SilentError):
            await ours.read(device.peer, POINT)
        device.mute = False
        assert await ours.read(device.peer, POINT) == 21


async def test_a_lost_question_is_asked_once_more(virtual: VirtualClock) -> None:
    async with fake() as device, client(clock=virtual) as ours:
        answers = iter((False, True))
        device.change = lambda reply: [reply] if next(answers) else []
        assert await ours.read(device.peer, POINT) == 21
        assert len(device.asked) == 2


async def test_closing_ends_what_is_under_way(virtual: VirtualClock) -> None:
    async with fake() as device, client(clock=virtual) as ours:
        device.mute = True
        reader = asyncio.ensure_future(ours.read(device.peer, POINT))
        await virtual.sleep(0.1)
        await ours.close()
        with pytest.raises(StackError):
            await reader


async def test_a_network_behind_a_router_is_asked_one_question_at_a_time(virtual: VirtualClock) -> None:
    turns = Turns(virtual, rate=0)
    inside = most = 0

    async def ask(peer: Peer) -> None:
        nonlocal inside, most
        async with turns.turn(peer):
            inside += 1
            most = max(most, inside)
            await virtual.sleep(1)
            inside -= 1

    await asyncio.gather(*(ask(Peer.parse(f"2001:{station}")) for station in range(5)))
    assert most == 1
    await asyncio.gather(*(ask(Peer.parse("10.0.0.1")) for _ in range(5)))
    assert most == 2


async def test_a_network_gets_no_more_requests_than_its_rate(virtual: VirtualClock) -> None:
    async with fake() as device, client(Pace(timeout=1, rate=20), virtual) as ours:
        began = virtual.boot()
        await asyncio.gather(*(ours.read(device.peer, POINT) for _ in range(110)))
        assert virtual.boot() - began == pytest.approx(5, abs=0.2)  # ten at once, then twenty a second


async def test_a_bucket_fills_again(virtual: VirtualClock) -> None:
    bucket = Bucket(virtual, rate=2, burst=3)
    assert [bucket.may() for _ in range(4)] == [True, True, True, False]
    await virtual.sleep(1)
    assert [bucket.may() for _ in range(3)] == [True, True, False]
    await virtual.sleep(100)
    assert [bucket.may() for _ in range(4)] == [True, True, True, False]
