"""A Plantower sensor on a pseudo-terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.driver import Driver
from agent.core.point import Scope
from drivers.pms import Pms, PmsDevice
from drivers.serial.settings import ListenedPoint
from tests.drivers.serial.kit import Adapter, Running
from tests.drivers.serial.test_fixed import pms


@pytest.mark.parametrize("length", [20, 28])
async def test_a_frame_amid_noise_becomes_samples(tmp_path: Path, length: int) -> None:
    adapter = Adapter(tmp_path).plug()
    driver: Driver = Pms(name="roof", path=str(adapter.path), devices=(PmsDevice(name="air"),))
    async with Running(driver) as running:
        adapter.send(b"BM\0\x1cBM" + pms(11, 25, 40, length=length) + pms(1, 2, 3)[:-1] + b"\0")
        await running.shows("bad_checksum", 2)
    assert [running.seen.values(f"air.{name}") for name in ("pm1", "pm25", "pm10")] == [[11], [25], [40]]
    adapter.unplug()


def test_its_points_are_concentrations() -> None:
    (pm1, pm25, _) = Pms(path="/dev/x", devices=(PmsDevice(name="air", scope=Scope.PUBLIC),)).points()
    assert (pm1.name, pm1.unit, pm1.quantity, pm1.scope) == ("air.pm1", "ug/m3", "pm1", Scope.PUBLIC)
    assert pm25.every == 3.0
    with pytest.raises(ValueError, match='has no point "pm4"'):
        PmsDevice(name="air", points={"pm4": ListenedPoint()})
