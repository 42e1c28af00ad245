"""The driver as a site uses it: devices that we did not write, found, read and told about."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from agent.core.clock import SystemClock
from agent.core.driver import CanRead
from agent.core.duration import Duration
from drivers.bacnet.device import BacnetDevice
from drivers.bacnet.point import BacnetPoint
from drivers.bacnet_ip import BacnetIp
from tests.drivers.bacnet.kit import good, running
from tests.peers import bacnet


@pytest.fixture(scope="module")
def unit() -> Iterator[bacnet.Device]:
    with bacnet.rusty(instance=1011, analog_input=60, binary_input=2, multistate_input=2) as one:
        yield one


def points(**objects: str) -> dict[str, BacnetPoint]:
    return {name: BacnetPoint(object=text) for name, text in objects.items()}


def link(*devices: BacnetDevice, **more: Any) -> BacnetIp:  # noqa: ANN401
    known: dict[str, Any] = {"interface": "127.0.0.1/8", "port": 0, "timeout": Duration(0.3), "rate": 0.0}
    return BacnetIp(name="bms", devices=devices, **(known | more))


def ahu(address: str, known: dict[str, BacnetPoint], *, name: str = "ahu-1", **more: Any) -> BacnetDevice:  # noqa: ANN401
    return BacnetDevice(name=name, address=address, every=Duration(0.2), points=known, **more)


async def test_values_of_each_kind_arrive(unit: bacnet.Device) -> None:
    known = points(supply="analog-input,3", fan="binary-input,1", mode="multi-state-input,1")
    async with running(link(ahu(unit.address, known))) as (seen, _):
        assert (await seen.until("ahu-1.supply", good)).value == pytest.approx(20.3)
        assert (await seen.until("ahu-1.fan", good)).value == 0
        assert (await seen.until("ahu-1.mode", good)).value == 1
        unit.set("ANALOG_INPUT", 3, 24.5, type="real")
        unit.set("BINARY_INPUT", 1, 1, type="enumerated")
        await seen.until("ahu-1.supply", lambda one: one.value == 24.5)
        await seen.until("ahu-1.fan", lambda one: one.value == 1)


async def test_points_are_read_once_without_a_gateway(unit: bacnet.Device) -> None:
    driver = link(ahu(unit.address, points(a="analog-input,1", wrong="analog-input,999")))
    assert isinstance(driver, CanRead)
    first, second = await driver.read((), SystemClock())
    assert first.sample.value == pytest.approx(20.1)
    assert first.raw == "20.1"
    assert (second.sample.value, second.sample.why) == (None, "unknown_object")
    assert second.raw == "error unknown-object"


async def test_a_wish_is_served_between_polls(unit: bacnet.Device) -> None:
    async with running(link(ahu(unit.address, points(a="analog-input,1")))) as (seen, desk):
        await seen.until("ahu-1.a", good)
        [reading] = await desk.wish(("ahu-1.a",))
        assert reading.sample.value == pytest.approx(20.1)


async def test_figures_tell_how_each_device_does(unit: bacnet.Device) -> None:
    async with running(link(ahu(unit.address, points(a="analog-input,1")))) as (seen, desk):
        await seen.until("ahu-1.a", good, 2)
        await asyncio.sleep(0)
        assert desk.figures["ahu-1.at"] == unit.address
        assert float(desk.figures["ahu-1.rtt_ms"]) > 0
        assert float(desk.figures["ahu-1.points_per_request"]) > 1


async def test_what_is_subscribed_to_is_told_and_checked_by_one_read_a_poll(unit: bacnet.Device) -> None:
    known = points(a="analog-input,11", b="analog-input,12", c="analog-input,13", d="analog-input,14")
    device = ahu(unit.address, known, cov=3, cov_lifetime=Duration(60))
    assert {one.name: one.every for one in link(device).points()} == {
        "ahu-1.a": pytest.approx(0.6),
        "ahu-1.b": pytest.approx(0.6),
        "ahu-1.c": pytest.approx(0.6),
        "ahu-1.d": 0.2,
    }
    async with running(link(device)) as (seen, desk):
        while desk.figures.get("ahu-1.subscriptions") != "3 of 3":
            await seen.until("ahu-1.d", good, len(seen.of("ahu-1.d")) + 1)
        begun = len(seen.samples)
        unit.set("ANALOG_INPUT", 12, 27.25, type="real")
        await seen.until("ahu-1.b", lambda one: one.value == 27.25)
        await seen.until("ahu-1.d", good, len(seen.of("ahu-1.d")) + 7)
        per_poll = Counter(one.point for one in seen.samples[begun:] if one.value != 27.25)
        assert per_poll["ahu-1.a"] + per_poll["ahu-1.c"] <= per_poll["ahu-1.d"]
        assert min(per_poll["ahu-1.a"], per_poll["ahu-1.c"]) >= 1, "each has its turn"
        assert float(desk.figures["ahu-1.notices"]) >= 4


async def test_changes_are_told_again_after_a_device_has_started_again() -> None:
    with bacnet.rusty(instance=1011, analog_input=3) as first:
        port = first.peer.place[1]
        device = ahu(first.address, points(a="analog-input,1", b="analog-input,2"), cov=1)
        async with running(link(device, timeout=Duration(0.1))) as (seen, desk):
            while desk.figures.get("ahu-1.subscriptions") != "1 of 1":
                await seen.until("ahu-1.b", good, len(seen.of("ahu-1.b")) + 1)
            first.kill()
            await seen.until("ahu-1.b", lambda one: one.why == "no_reply")
            await seen.until("ahu-1.a", lambda one: one.why == "no_reply")
            with bacnet.rusty(instance=1011, analog_input=3, port=port):
                await seen.until("ahu-1.b", good, 1 + sum(map(good, seen.of("ahu-1.b"))))
                told = float(desk.figures["ahu-1.notices"])
                while float(desk.figures["ahu-1.notices"]) == told:
                    await seen.until("ahu-1.b", good, 1 + sum(map(good, seen.of("ahu-1.b"))))
                assert desk.figures["ahu-1.subscriptions"] == "1 of 1"
