"""P1 over a pseudo-terminal and over TCP, and beside a decoder that we did not write (dsmr-parser)."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.config.load import load
from agent.core.clock import SystemClock
from agent.core.driver import CanRead, Driver
from agent.core.duration import Duration
from agent.core.errors import ConfigError
from agent.core.point import Kind, Point, Scope
from drivers.p1 import P1, P1Device, P1Point
from drivers.serial.telegram import TelegramParser
from tests.drivers.serial.kit import Adapter, Running
from tests.drivers.serial.telegrams import (
    DSMR_22,
    DSMR_42,
    DSMR_50,
    FLUVIUS,
    LUXEMBOURG,
    SWEDEN,
    told,
)
from tests.peers import dsmr_parser_process
from tests.peers.packages import package

HOME = P1Device(name="home", every=Duration(1))
PEERS: dict[str, tuple[tuple[str, ...], str]] = {
    "dsmr-2.2": (DSMR_22, "V2_2"),
    "dsmr-4.2": (DSMR_42, "V4"),
    "dsmr-5.0": (DSMR_50, "V5"),
    "fluvius": (FLUVIUS, "BELGIUM_FLUVIUS"),
    "luxembourg": (LUXEMBOURG, "LUXEMBOURG_SMARTY"),
    "sweden": (SWEDEN, "SWEDEN"),
}


NOT_READ_BY_PEER = {
    "LUXEMBOURG_SMARTY": {
        "breaker", "import_reactive_energy", "export_reactive_energy", "reactive_power_export",
    },
    "SWEDEN": {"reactive_power_export"},
}  # fmt: skip


@pytest.fixture
def adapter(tmp_path: Path) -> Iterator[Adapter]:
    plugged = Adapter(tmp_path).plug()
    yield plugged
    plugged.unplug()


def point(name: str, device: P1Device) -> Point:
    (found,) = [one for one in P1(path="/dev/x", devices=(device,)).points() if one.name == f"home.{name}"]
    return found


async def test_telegrams_amid_noise_become_samples(adapter: Adapter) -> None:
    driver: Driver = P1(name="port", path=str(adapter.path), devices=(HOME,))
    damaged = bytearray(told(DSMR_50))
    damaged[300] ^= 1
    async with Running(driver) as running:
        adapter.send(told(DSMR_50)[200:] + bytes(damaged) + told(DSMR_50) + told(DSMR_50)[:50])
        (power,) = await running.seen.until(1, "home.active_power_import")
    assert power.value == 0.244
    assert running.seen.values("home.gas_volume") == [0.107]
    assert running.desk.figures["frames"] == 1
    assert running.desk.figures["bad_checksum"] == 1


async def test_a_meter_before_dsmr_4_is_read_at_its_own_speed(adapter: Adapter) -> None:
    link = P1(name="port", path=str(adapter.path), baud=9600, frame="7E1", devices=(HOME,))
    async with Running(link) as running:
        adapter.send(told(DSMR_22, checksum=False))
        await running.seen.until(1, "home.gas_volume")
    assert running.seen.values("home.import_energy_t1") == [234.567]


async def test_an_adapter_on_the_network_is_read_and_can_be_asked() -> None:
    done = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for at in range(0, len(data := told(FLUVIUS)), 100):
            writer.write(data[at : at + 100])
            await writer.drain()
        await done.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        link = P1(name="p", host="127.0.0.1", port=server.sockets[0].getsockname()[1], devices=(HOME,))
        assert isinstance(link, CanRead)
        async with Running(link) as running:
            await running.seen.until(1, "home.water_volume")
        readings = await link.read(("home.demand_import", "home.frequency"), SystemClock())
        done.set()
    assert running.seen.values("home.water_volume") == [872.234]
    assert [(one.sample.value, one.sample.why) for one in readings] == [(2.351, ""), (None, "not_available")]
    assert readings[0].raw == "1-0:1.4.0(02.351*kW)"


def test_a_meter_tells_about_a_household_unless_the_table_says_otherwise() -> None:
    home = P1(path="/dev/x", devices=(P1Device(name="home"),))
    assert {(one.scope, one.personal) for one in home.points()} == {(Scope.HOUSEHOLD, True)}
    school = P1Device(name="home", scope=Scope.BUILDING, points={"tariff": P1Point(scope=Scope.PUBLIC)})
    assert point("import_energy", school).scope is Scope.BUILDING
    assert not point("import_energy", school).personal
    assert point("tariff", school).scope is Scope.PUBLIC


SITE = """
[site]
city = "vaasa"
id = "house"
[link.cupboard]
driver = "p1"
path = "/dev/serial/by-id/usb-P1"
[device.home]
link = "cupboard"
SCOPE
[product.energy]
from = ["home.import_energy*"]
window = "15m"
statistics = ["delta"]
[recipient.city]
broker = "mqtts://broker.example"
[grant.city]
recipient = "city"
products = ["energy"]
purpose = "operations"
basis = "public-task"
keep = "400d"
"""


def test_a_households_meter_leaves_only_with_others_or_by_the_month(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE.replace("SCOPE", ""), "utf-8")
    with pytest.raises(ConfigError, match=r"home\.import_energy.* tells about one home"):
        load(site)
    site.write_text(SITE.replace("SCOPE", 'scope = "building"'), "utf-8")
    assert len(load(site).routes) == 1


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ('frame = "9N1"', "8N1"),
        ("port = 3333", "one of them|host and port go together"),
        ('known = ["gas"]', 'unknown key "known"'),
        ('pfad = "x"', 'unknown key "pfad"'),
    ],
)
def test_a_slip_in_the_link_is_reported_at_its_place(key: str, word: str, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    text = SITE.replace("SCOPE", 'scope = "building"').replace('driver = "p1"', f'driver = "p1"\n{key}')
    site.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=word) as report:
        load(site)
    assert "site.toml:" in str(report.value)


def test_known_points_have_units_kinds_and_how_often_they_come() -> None:
    device = P1Device(name="home", points={"heat_energy": P1Point(every=Duration(86400), label="Heat")})
    energy, power = point("import_energy_t1", device), point("active_power_import", device)
    assert (energy.unit, energy.kind, energy.every) == ("kW.h", Kind.COUNTER, 10.0)
    assert (power.unit, power.kind, power.quantity) == ("kW", Kind.GAUGE, "active_power_import")
    assert (point("gas_volume", device).unit, point("gas_volume", device).every) == ("m3", 3600.0)
    heat = point("heat_energy", device)
    assert (heat.unit, heat.kind, heat.every, heat.label) == ("GJ", Kind.COUNTER, 86400.0, "Heat")


def test_a_table_restricts_and_adds() -> None:
    other = P1Point(obis="0-3:24.2.1", unit="kW.h", kind=Kind.COUNTER)
    device = P1Device(name="home", known=("import_*", "gas_volume"), points={"lift": other})
    names = [one.name.removeprefix("home.") for one in P1(path="/dev/x", devices=(device,)).points()]
    assert names == [
        "import_energy", "import_energy_t1", "import_energy_t2", "import_energy_t3", "import_energy_t4",
        "import_reactive_energy", "gas_volume", "lift",
    ]  # fmt: skip
    assert point("lift", device).every == 3600.0
    only = P1Device(name="home", known=(), points={"gas_volume": P1Point()})
    assert [one.name for one in P1(path="/dev/x", devices=(only,)).points()] == ["home.gas_volume"]


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"known": ("gas",)}, 'no point is called "gas"; did you mean'),
        ({"points": {"gas_volum": P1Point()}}, 'did you mean "gas_volume"'),
        ({"points": {"x": P1Point(obis="1.8")}}, "obis 1.8 is no code such as"),
        ({"points": {"gas_volume": P1Point(unit="kW")}}, "does not convert into kW"),
    ],
)
def test_what_can_never_work_is_refused(keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        P1Device(name="home", **keys)


@pytest.mark.parametrize(("lines", "version"), PEERS.values(), ids=PEERS)
def test_dsmr_parser_reads_the_same_numbers(lines: tuple[str, ...], version: str) -> None:
    folder = package("dsmr-parser==1.11.2")
    data = told(lines, checksum=lines != DSMR_22)
    theirs = json.loads(
        subprocess.run(
            [sys.executable, dsmr_parser_process.__file__, version],
            input=data,
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    )
    (ours,) = TelegramParser().feed(data)
    (meter,) = P1(path="/dev/x", devices=(P1Device(name="home"),)).hearers()
    said = meter.hear(ours, 0.0)
    assert said is not None
    values = {one.sample.point: one.sample.value for one in said.readings if one.sample.value is not None}
    assert len(values) > 8
    ours_only = {name for name, value in values.items() if value not in theirs}
    assert ours_only == {f"home.{name}" for name in NOT_READ_BY_PEER.get(version, ())}
