"""The driver as a site uses it: devices that we did not write, found, read and told about."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from agent.core.clock import SystemClock
from agent.core.driver import CanPlan, CanRead, Desk
from agent.core.duration import Duration
from agent.core.errors import DriverError
from agent.core.point import Kind
from drivers.bacnet.device import BacnetDevice
from drivers.bacnet.point import BacnetPoint
from drivers.bacnet_ip import BacnetIp
from tests.drivers.bacnet.kit import Seen, good, running
from tests.drivers.bacnet.wire import fake
from tests.peers import bacnet
from tests.virtual import VirtualClock


@pytest.fixture(scope="module")
def unit() -> Iterator[bacnet.Device]:
    with bacnet.rusty(instance=1011, analog_input=60, binary_input=2, multistate_input=2) as one:
        yield one


def points(**objects: str) -> dict[str, BacnetPoint]:
    return {name: BacnetPoint(object=text) for name, text in objects.items()}


def link(*devices: BacnetDevice, **more: Any) -> BacnetIp:  # noqa: ANN401
    known: dict[str, Any] = {"interface": "127.0.0.1/8", "port": 0, "timeout": Duration(0.3), "rate": 0.0}
    return BacnetIp(**({"name": "bms", "devices": devices} | known | more))


def sought(name: str, instance: int) -> BacnetDevice:
    return BacnetDevice(name=name, instance=instance)


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


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"interface": "10.20.0"}, "is no address of this computer"),
        ({"bbmd": "boiler"}, "bbmd: expected an IP address"),
        ({"bbmd": "2001:4"}, "bbmd: 2001:4 lies behind a router"),
        ({"routers": {"x": "10.20.0.9"}}, 'routers: "x" is no network'),
        ({"routers": {"5": "nowhere"}}, "routers: expected an IP address"),
        ({"devices": (BacnetDevice(name="a", address="5:1"),)}, "name that to network 5 in routers"),
        ({"devices": (sought("a", 7), sought("b", 7)), "port": 47808}, "a and b have the same instance"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        link(**settings)


def test_a_device_that_nobody_could_find_is_refused() -> None:
    with pytest.raises(ValueError, match="needs an instance, or an address"):
        BacnetDevice(name="ahu-1")
    with pytest.raises(ValueError, match="address: expected an IP address"):
        BacnetDevice(name="ahu-1", address="the boiler")


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ({"object": "analog-inpt,1"}, 'did you mean "analog-input"'),
        ({"object": "analog-input"}, "is no object"),
        ({"object": "analog-input,5000000"}, "numbers 0 to 4194302"),
        ({"object": "analog-input,1", "property": "present-valu"}, 'did you mean "present-value"'),
        ({"object": "analog-input,1", "scale": 0}, "scale is 0"),
        ({"object": "analog-input,1", "codes": {"on": 1.0}}, "codes are whole numbers"),
    ],
)
def test_points_that_do_not_exist_are_refused(point: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        BacnetPoint(**point)


def test_the_plan_names_each_request() -> None:
    driver = link(ahu("127.0.0.1:9", points(**{f"p{n}": f"analog-input,{n}" for n in range(100)})))
    assert isinstance(driver, CanPlan)
    polls = driver.plan()
    assert [len(poll.points) for poll in polls] == [21, 21, 21, 21, 16]
    assert polls[0].request == "analog-input,0 .. analog-input,20"


async def test_states_and_codes_are_told(unit: bacnet.Device) -> None:
    known = {
        "mode": BacnetPoint(object="multi-state-input,1", states={"1": "off"}),
        "on": BacnetPoint(object="multi-state-input,1", codes={"1": 0.0, "2": 1.0}),
        "odd": BacnetPoint(object="multi-state-input,1", codes={"7": 0.0}),
        "kelvin": BacnetPoint(object="analog-input,0", offset=273.15),
        "alarm": BacnetPoint(object="analog-input,0", property="event-state", kind=Kind.STATE),
    }
    readings = await link(ahu(unit.address, known)).read((), SystemClock())
    found = {one.sample.point.partition(".")[2]: one for one in readings}
    assert (found["mode"].sample.value, found["mode"].raw) == (1, "1 (off)")
    assert found["on"].sample.value == 0
    assert (found["odd"].sample.value, found["odd"].sample.why) == (None, "unknown_code")
    assert found["kelvin"].sample.value == pytest.approx(293.15)
    assert found["alarm"].sample.value == 0


async def test_slower_points_are_read_at_their_own_beat(unit: bacnet.Device) -> None:
    known = {
        "fast": BacnetPoint(object="analog-input,1"),
        "slow": BacnetPoint(object="analog-input,2", every=Duration(60)),
    }
    async with running(link(ahu(unit.address, known))) as (seen, _):
        await seen.until("ahu-1.fast", good, 4)
        assert len(seen.of("ahu-1.slow")) == 1


async def test_a_poll_that_takes_too_long_leaves_beats_out_and_never_overlaps(virtual: VirtualClock) -> None:
    async with fake() as device:
        device.delay = 0.35
        driver = link(ahu(device.address, points(a="analog-input,1")), timeout=Duration(1))
        seen, desk = Seen(), Desk()
        task = asyncio.ensure_future(driver.run(seen, virtual, desk))
        await virtual.sleep(20)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert device.most_pending == 1
    assert 45 <= len(seen.of("ahu-1.a")) <= 51  # every second beat of 0.2 s
    assert float(desk.figures["overruns"]) >= 45


async def test_devices_are_not_all_asked_at_the_same_moment(virtual: VirtualClock) -> None:
    async with fake() as device:
        known = points(a="analog-input,1")
        fleet = (ahu(device.address, known, name=f"ahu-{number}") for number in range(8))
        driver = link(*fleet)
        seen = Seen()
        task = asyncio.ensure_future(driver.run(seen, virtual, Desk()))
        await virtual.sleep(2)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    first = sorted(seen.of(f"ahu-{number}.a")[0].at for number in range(8))
    assert min(after - before for before, after in pairwise(first)) > 0.005


async def test_an_address_that_is_lost_ends_the_link_and_every_point_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("drivers.bacnet.endpoint.is_ours", lambda _: False)
    seen = Seen()
    driver = link(ahu("240.0.0.1", points(a="analog-input,1", b="analog-input,2")))  # no way leads there
    with pytest.raises(DriverError, match=r"has not the address 127\.0\.0\.1 any more"):
        await driver.run(seen, SystemClock(), Desk())
    assert [one.why for one in seen.samples[-2:]] == ["no_connection", "no_connection"]


async def test_a_wish_that_a_link_cannot_serve_any_more_is_answered() -> None:
    async with fake() as device:
        known = points(a="analog-input,1", b="analog-input,2")
        async with running(link(ahu(device.address, known), timeout=Duration(5))) as (seen, desk):
            await seen.until("ahu-1.a", good)
            device.mute = True
            asked = desk.wish(("ahu-1.b",))
            await asyncio.sleep(0.05)  # it is being asked for, and nobody answers
            assert not asked.done()
        [told] = await asked
        assert (told.sample.point, told.sample.why) == ("ahu-1.b", "no_connection")


async def test_of_several_devices_only_those_are_asked_whose_points_are_wanted(unit: bacnet.Device) -> None:
    async with fake() as device:
        both = (
            ahu(unit.address, points(a="analog-input,1")),
            ahu(device.address, points(a="analog-input,1"), name="ahu-2"),
        )
        told = await link(*both).read(("ahu-1.a", "ahu-9.x"), SystemClock())
        assert device.asked == []
    assert [(one.sample.point, one.sample.why) for one in told] == [
        ("ahu-1.a", ""),
        ("ahu-9.x", "unknown_point"),
    ]


def test_what_a_link_needs_of_a_network_and_how_it_is_led_to_a_spy() -> None:
    driver = link(
        ahu("10.20.0.7", points(a="analog-input,1")), ahu("2001:12", {}, name="room"),
        interface="10.20.0.2/24", port=47808, routers={"2001": "10.20.0.1"}, bbmd="10.20.1.1",
    )  # fmt: skip
    needs = driver.needs()
    assert needs.hosts == ("10.20.0.0/24", "10.20.1.1", "10.20.0.1", "10.20.0.7")
    assert needs.udp == 47808
    led = driver.led("127.0.0.1", 40001)
    assert isinstance(led, BacnetIp)
    assert (led.interface, led.port, led.bbmd, led.routers) == ("127.0.0.1/8", 0, "", {})
    assert {one.address for one in led.devices} == {"127.0.0.1:40001"}
    assert driver.slips() == []


async def test_a_wish_that_nobody_waits_for_any_more_harms_nothing() -> None:
    async with fake() as device:
        device.delay = 0.05
        known = points(a="analog-input,1", b="analog-input,2")
        async with running(link(ahu(device.address, known), timeout=Duration(5))) as (seen, desk):
            await seen.until("ahu-1.a", good)
            gone = desk.wish(("ahu-1.b",))
            await asyncio.sleep(0.02)
            gone.cancel()
            [told] = await desk.wish(("ahu-1.a",))
            assert told.sample.value == 21
            device.mute = True
            late = desk.wish(("ahu-1.b",))
            await asyncio.sleep(0.02)
            late.cancel()


async def test_a_mistake_of_our_own_is_not_taken_for_a_lost_interface() -> None:
    def mistake(_: object) -> None:
        raise ZeroDivisionError

    async with fake() as device:
        driver = link(ahu(device.address, points(a="analog-input,1")))
        with pytest.raises(ExceptionGroup) as caught:
            await driver.run(mistake, SystemClock(), Desk())
    assert caught.group_contains(ZeroDivisionError)
