"""An SDS011 on a pseudo-terminal, as on its USB adapter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.clock import SystemClock
from agent.core.driver import CanRead, Desk, Driver
from agent.core.errors import DriverError
from agent.core.point import Scope
from agent.supervisor import Supervisor
from drivers.sds011 import Sds011, Sds011Device
from drivers.serial.settings import ListenedPoint
from tests.drivers.serial.kit import Adapter, Running, Seen
from tests.drivers.serial.test_fixed import SDS011, sds011


@pytest.fixture
def adapter(tmp_path: Path) -> Iterator[Adapter]:
    plugged = Adapter(tmp_path).plug()
    yield plugged
    plugged.unplug()


def link(adapter: Adapter) -> Sds011:
    return Sds011(name="roof", path=str(adapter.path), devices=(Sds011Device(name="air"),))


async def test_the_public_frame_becomes_samples(adapter: Adapter) -> None:
    driver: Driver = link(adapter)
    async with Running(driver) as running:
        adapter.send(b"\xaa\xc0noise" + SDS011)
        (pm25,) = await running.seen.until(1, "air.pm25")
    assert (pm25.value, pm25.why) == (123.6, "")
    assert running.seen.values("air.pm10") == [261.8]


async def test_a_wrong_checksum_is_counted_and_gives_no_sample(adapter: Adapter) -> None:
    async with Running(link(adapter)) as running:
        adapter.send(SDS011[:2] + b"\xff" + SDS011[3:])
        await running.shows("bad_checksum", 1)
        assert not running.seen.samples
        adapter.send(sds011(10, 20))
        await running.seen.until(1, "air.pm25")
    assert running.seen.values("air.pm25") == [1.0]


async def test_an_adapter_that_is_pulled_ends_the_run(adapter: Adapter) -> None:
    async with Running(link(adapter)) as running:
        adapter.unplug()
        with pytest.raises(DriverError, match="was its adapter unplugged"):
            async with asyncio.timeout(5):
                await running.task
    assert running.seen.whys("air.pm25") == ["no_connection"]
    assert running.desk.figures["connected"] == "no"


async def test_a_sensor_that_is_plugged_in_again_is_back_within_two_seconds(adapter: Adapter) -> None:
    clock, seen, desk = SystemClock(), Seen(), Desk()
    driver = link(adapter)

    async def shows(state: str) -> None:
        async with asyncio.timeout(10):
            while desk.figures.get("connected") != state:  # noqa: ASYNC110 - the kernel has no event for it
                await asyncio.sleep(0.001)

    async def main() -> float:
        supervisor.start("link roof", lambda: driver.run(seen, clock, desk))
        await shows("yes")
        adapter.unplug()
        await shows("no")
        adapter.plug()  # the kernel gives it another number, its name stays
        begun = clock.boot()
        await shows("yes")
        adapter.send(SDS011)
        await seen.until(2, "air.pm25")
        return clock.boot() - begun

    supervisor = Supervisor(clock, random.Random(1))
    assert await supervisor.run(main) < 2.0
    assert seen.whys("air.pm25") == ["no_connection", ""]


async def test_it_can_be_read_once_without_a_gateway(adapter: Adapter) -> None:
    driver = link(adapter)
    assert isinstance(driver, CanRead)
    reading = asyncio.create_task(driver.read(("air.pm10",), SystemClock()))
    async with asyncio.timeout(10):
        while not reading.done():
            adapter.send(SDS011)
            await asyncio.sleep(0.01)
    (one,) = reading.result()
    assert (one.sample.point, one.sample.value, one.raw) == ("air.pm10", 261.8, "3a 0a")


def test_its_points_tell_of_the_building_unless_the_table_says_otherwise() -> None:
    points = {"pm10": ListenedPoint(scope=Scope.BUILDING, label="Coarse", maximum=500)}
    device = Sds011Device(name="air", scope=Scope.PUBLIC, points=points, location=(21.6, 63.1))
    pm25, pm10 = Sds011(path="/dev/x", devices=(device,)).points()
    assert Sds011(path="/dev/x", devices=(Sds011Device(name="a"),)).points()[0].scope is Scope.BUILDING
    assert (pm25.name, pm25.unit, pm25.quantity, pm25.scope) == ("air.pm25", "ug/m3", "pm25", Scope.PUBLIC)
    assert (pm10.scope, pm10.label, pm10.maximum, pm10.minimum) == (Scope.BUILDING, "Coarse", 500, 0)
    assert pm25.location == (21.6, 63.1)


def test_it_has_no_other_points() -> None:
    with pytest.raises(ValueError, match='an SDS011 has no point "pm1"; it has pm25, pm10'):
        Sds011Device(name="air", points={"pm1": ListenedPoint()})


def test_a_link_has_one_line_and_one_device() -> None:
    for keys in ({}, {"path": "/dev/x", "host": "h", "port": 1}):
        with pytest.raises(ValueError, match="one of them"):
            Sds011(**keys)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="host and port go together"):
        Sds011(host="h")
    with pytest.raises(ValueError, match="only one device can speak on this link, but it has a, b"):
        Sds011(path="/dev/x", devices=(Sds011Device(name="a"), Sds011Device(name="b")))
