"""Probes on a running link: polls keep their beat, and nothing but a read can be said."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from agent.core.driver import Desk
from agent.core.duration import Duration
from agent.core.errors import DriverError, GatewayError
from agent.core.search import Held
from drivers.modbus.probe import Remote
from drivers.modbus.request import Answer, Fault, Request
from drivers.modbus_rtu import ModbusRtu
from drivers.modbus_rtu_tcp import ModbusRtuTcp
from tests.drivers.modbus.bus import Bus
from tests.drivers.modbus.rtu_wire import rtu_serving
from tests.drivers.modbus.wire import Asked, serving
from tests.drivers.searches.kit import HeldLink
from tests.drivers.test_modbus_tcp import Running, device, link, registers
from tests.virtual import VirtualClock


async def told(desk: Desk, **question: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return dict(await desk.probe(question))


async def test_a_probe_reads_what_no_point_names(virtual: VirtualClock) -> None:
    async with serving() as wire, Running(link(wire.port, device(registers(1))), virtual) as running:
        await virtual.sleep(1)
        assert await told(running.desk, unit=9, table="input", start=300, count=2) == {"data": "012c012d"}
        assert running.desk.figures["probes"] == 1
        assert (wire.asked[-1].unit, wire.asked[-1].function, wire.ever) == (9, 4, 1)


@pytest.mark.parametrize("rtu", [False, True])
async def test_a_refusal_and_a_silence_are_answers(rtu: bool, virtual: VirtualClock) -> None:
    def answer(asked: Any) -> Sequence[bytes]:  # noqa: ANN401 - of either wire
        return [asked.reply()] if asked.unit == 1 else [asked.refusal(2)] if asked.unit == 2 else []

    async with (rtu_serving if rtu else serving)(answer) as wire:
        points = device(registers(1))
        driver = (
            ModbusRtuTcp(host="127.0.0.1", port=wire.port, devices=(points,))
            if rtu
            else link(wire.port, points)
        )
        async with Running(driver, virtual) as running:
            await virtual.sleep(1)
            assert await told(running.desk, unit=2) == {"why": "illegal_address", "code": 2}
            begun = virtual.boot()
            assert await told(running.desk, unit=3, wait=0.5) == {"why": "no_reply", "code": 0}
            assert virtual.boot() - begun < 2


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"unit": 256},
        {"unit": 1, "table": "everything"},
        {"unit": 1, "count": 126},
        {"unit": 1, "start": 65535, "count": 2},
        {"unit": 1, "wait": 60},
        {"unit": 1, "function": 6},
        {"unit": 1, "body": "060001ffff"},
        {"unit": 1, "table": "coil", "value": 1},
        {"unit": 1, "identify": "write"},
    ],
)
async def test_nothing_but_a_bounded_read_can_be_said(
    question: dict[str, Any], virtual: VirtualClock
) -> None:
    async with serving() as wire, Running(link(wire.port, device(registers(1))), virtual) as running:
        await virtual.sleep(1)
        before = len(wire.asked)
        with pytest.raises(GatewayError, match="cannot be asked of a Modbus link"):
            await told(running.desk, **question)
        assert len(wire.asked) == before
        assert await told(running.desk, unit=1) == {"data": "0000"}


async def test_polls_keep_their_beat_while_a_search_goes_on(virtual: VirtualClock) -> None:
    polls: list[float] = []

    def answer(asked: Asked) -> Sequence[bytes]:
        if asked.unit == 1 and asked.addr == 5:
            polls.append(virtual.boot())
        return [asked.reply()] if asked.unit == 1 else []

    async with serving(answer) as wire:
        driver = link(wire.port, device(registers(5), every=1), timeout=1)
        async with Running(driver, virtual) as running:
            await virtual.sleep(2.5)
            begun = virtual.boot()
            silent = 0
            while virtual.boot() - begun < 20:
                assert await told(running.desk, unit=50 + silent, wait=0.3) == {"why": "no_reply", "code": 0}
                silent += 1
    beats = [later - sooner for sooner, later in pairwise(polls)]
    assert len(polls) >= 22
    assert max(beats) <= 1.31  # a poll waits for one probe at most
    assert running.desk.figures["overruns"] == 0
    assert 20 < silent <= 20 / 0.6 + 1  # half of the time belongs to nobody but the polls


async def test_a_probe_waits_while_its_link_still_listens_for_another_master(virtual: VirtualClock) -> None:
    bus = Bus()
    driver = ModbusRtu(path="/dev/ttyUSB0", listen=Duration(5), devices=(device(registers(1)),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModbusRtu, "way", lambda _: bus)
        async with Running(driver, virtual) as running:
            begun = virtual.boot()
            assert driver.answers_probes
            assert await told(running.desk, unit=9, start=7) == {"data": "0007"}
            assert virtual.boot() - begun > 5


async def test_a_link_that_is_lost_tells_who_waits(virtual: VirtualClock) -> None:
    async with serving(lambda asked: [asked.reply()] if asked.unit == 1 else []) as wire:
        running = Running(link(wire.port, device(registers(1), every=60), timeout=9), virtual)
        async with running:
            await virtual.sleep(1)
            waiting = running.desk.probe({"unit": 2, "wait": 4})
            await virtual.sleep(1)
            for writer in wire.writers:
                writer.transport.abort()
            with pytest.raises(GatewayError, match="closed the connection"):
                await waiting
            with pytest.raises(DriverError):
                await running.task


async def test_a_link_that_is_stopped_tells_who_waits(virtual: VirtualClock) -> None:
    async with serving(lambda asked: [asked.reply()] if asked.unit == 1 else []) as wire:
        async with Running(link(wire.port, device(registers(1), every=60), timeout=9), virtual) as running:
            await virtual.sleep(1)
            waiting = running.desk.probe({"unit": 2, "wait": 4})
            await virtual.sleep(1)
        with pytest.raises(GatewayError, match="the link ended"):
            await waiting


async def test_a_remote_link_is_asked_like_one_of_our_own(virtual: VirtualClock) -> None:
    async with (
        serving(lambda a: [a.reply() if a.function != 4 else a.refusal(2)]) as wire,
        Running(link(wire.port, device(registers(1))), virtual) as running,
    ):
        await virtual.sleep(1)

        async def through(question: Any) -> dict[str, Any]:  # noqa: ANN401 - as Held has it
            return await told(running.desk, **question)

        held: Held = HeldLink("room", {}, through)
        remote = Remote(held, virtual)
        answer = await remote.ask(Request(4, "holding", 7, 1))
        refusal = await remote.ask(Request(4, "input", 7, 1), 0.1)
        named = await remote.identify(4, 0.1)
    assert isinstance(answer, Answer)
    assert answer.data == b"\0\7"
    assert isinstance(refusal, Fault)
    assert (refusal.why, refusal.code, refusal.silent) == ("illegal_address", 2, False)
    assert isinstance(named, Fault)
    assert named.silent


async def test_a_question_that_nobody_waits_for_any_more_harms_nothing(virtual: VirtualClock) -> None:
    async with (
        serving(lambda asked: [0.2, asked.reply()]) as wire,
        Running(link(wire.port, device(registers(1), every=60)), virtual) as running,
    ):
        await virtual.sleep(1)
        gone = running.desk.probe({"unit": 2})
        await virtual.sleep(0.1)
        gone.cancel()
        assert await told(running.desk, unit=2, start=3) == {"data": "0003"}
