"""`citygate scan bacnet` finds devices that we did not write, and what it proposes makes a site."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.cli.main import main
from agent.config.load import load
from agent.core.clock import SystemClock
from agent.core.duration import Duration
from agent.core.errors import ConfigError, DriverError
from agent.core.search import Found, Missed, Progress, Told
from agent.core.settings import decode_hook
from drivers.bacnet.ede_files import read
from drivers.bacnet_ip import BacnetIp
from drivers.searches.bacnet import Bacnet
from tests.drivers.searches.kit import Facts, HeldLink
from tests.peers import bacnet as peers
from tests.peers import missing, need

OBJECTS: list[dict[str, Any]] = [
    {"type": "analog-input", "instance": 1, "objectName": "N'AHU'ZulTemp", "units": 62, "presentValue": 21.5,
     "description": "Zulufttemperatur", "eventEnable": [1, 1, 1],
     "eventState": "normal"},
    {"type": "binary-input", "instance": 1, "objectName": "N'AHU'Vent", "presentValue": 1,
     "inactiveText": "Aus", "activeText": "Ein"},
    {"type": "multi-state-value", "instance": 4, "objectName": "N'AHU'BA", "presentValue": 2,
     "numberOfStates": 3, "stateText": ["Auto", "Aus", "Ein"]},
    {"type": "schedule", "instance": 1, "objectName": "N'AHU'Zeitplan"},
]  # fmt: skip
EDE = Path(__file__).parents[2] / "cases" / "ede" / "layout-2-3" / "nord_EDE.csv"


@pytest.fixture(scope="module")
def isp() -> Iterator[peers.Device]:
    with peers.building(instance=77, name="ISP 77", objects=OBJECTS) as one:
        yield one


class NoFacts:
    """A gateway that lends nothing, and holds nothing because it does not run."""

    def shipped(self, folder: str) -> dict[str, dict[str, Any]]:
        raise AssertionError(folder)

    def secret(self, reference: str) -> str:
        raise AssertionError(reference)

    async def held(self) -> list[Any]:
        return []


async def searched(*targets: str, **options: Any) -> list[Told]:  # noqa: ANN401
    told: list[Told] = []
    usual: dict[str, Any] = {"interface": "127.0.0.1/8", "port": 0, "settle": Duration(0.3)}
    search = Bacnet(targets=targets, **usual | options)
    await search.search(NoFacts(), SystemClock(), told.append)
    return told


def found(told: list[Told]) -> list[Found]:
    return [one for one in told if isinstance(one, Found)]


def missed(told: list[Told]) -> list[Missed]:
    return [one for one in told if isinstance(one, Missed)]


def driver_of(one: Found) -> BacnetIp:
    """Make the driver that the tables of *one* describe."""
    assert one.device is not None
    device = msgspec.convert(
        {"name": one.device_name, **one.device}, BacnetIp.device_type, dec_hook=decode_hook
    )
    keys = {key: value for key, value in one.link.items() if key != "driver"}
    return BacnetIp(name=one.link_name, devices=(device,), **keys)


async def test_a_device_is_found_and_its_proposal_reads_its_values(isp: peers.Device) -> None:
    told = await searched(isp.address)
    [one] = found(told)
    driver = driver_of(one)
    readings = await driver.read((), SystemClock())
    assert isinstance(told[0], Progress)
    assert one.what == "device 77 (Maker Controller), 3 points from 3 objects"
    assert (one.address, one.device_name, one.link["driver"]) == (isp.address, "isp-77", "bacnet-ip")
    values = {reading.sample.point: reading.sample.value for reading in readings}
    assert values == {"isp-77.zul_temp": 21.5, "isp-77.vent": 1.0, "isp-77.ba": 2.0}
    points = {point.name: point for point in driver.points()}
    assert points["isp-77.ba"].text(2) == "Aus"
    assert points["isp-77.zul_temp"].unit == "Cel"


async def test_two_processes_with_one_instance_are_both_proposed_by_their_addresses() -> None:
    with (
        peers.rusty(instance=1011, analog_input=2, name="north") as north,
        peers.rusty(instance=1011, analog_input=3, name="south") as south,
    ):
        both = found(await searched(north.address, south.address))
    assert {one.address: one.device_name for one in both} == {
        north.address: "north",
        south.address: "south",
    }
    notes = {one.address: one.note for one in both}
    assert f"instance 1011 is claimed by {south.address} too" in notes[north.address]
    assert f"instance 1011 is claimed by {north.address} too" in notes[south.address]
    for one in both:
        assert one.device is not None
        assert (one.device["instance"], one.device["address"]) == (1011, one.address)


async def test_patterns_choose_points_and_events_come_beside_those_that_have_any(isp: peers.Device) -> None:
    [one] = found(await searched(isp.address, points="*temp*, vent", events=True))
    [none] = found(await searched(isp.address, points="nothing*"))
    assert one.device is not None
    assert list(one.device["points"]) == ["zul_temp", "zul_temp_event", "vent"]
    assert (none.link, none.device, none.what[-25:]) == ({}, None, ", 0 points from 3 objects")


async def test_what_was_found_is_written_as_ede_and_reads_back(isp: peers.Device, tmp_path: Path) -> None:
    [one] = found(await searched(isp.address, write_ede=str(tmp_path / "nord")))
    ede = read(tmp_path / "nord_EDE.csv")
    assert ede.faults == ()
    [written] = ede.devices
    assert [known.id for known in written.objects] == [
        "analog-input,1", "binary-input,1", "multi-state-value,4", "schedule,1",
    ]  # fmt: skip
    assert written.objects[2].states == ("Auto", "Aus", "Ein")
    again = found(await searched(ede=str(tmp_path / "nord_EDE.csv")))
    assert one.device is not None
    assert again[0].device is not None
    assert again[0].device["points"] == one.device["points"]
    with pytest.raises(ConfigError, match="nothing is overwritten"):
        await searched("127.0.0.1:9", write_ede=str(tmp_path / "nord"))


async def test_an_ede_file_is_proposed_without_a_network_and_its_faults_are_told() -> None:
    told = await searched(ede=str(EDE), points="*temp*", instances="1000-1011", interface="eth0", port=47808)
    [one] = found(told)
    assert (one.device_name, one.link) == ("isp01", {"driver": "bacnet-ip", "interface": "eth0"})
    assert one.device == {
        "instance": 1011,
        "points": {
            "zul_temp": {
                "object": "analog-input,1", "unit": "Cel", "quantity": "temperature",
                "label": "Zulufttemperatur",
            }
        },
    }  # fmt: skip
    bad = EDE.parents[1] / "rows-at-fault" / "bad_EDE.csv"
    [first, *_] = missed(await searched(ede=str(bad)))
    assert (first.address, first.why) == (f"{bad}:4", "device obj.-instance is empty")


async def test_an_interrupted_search_keeps_what_was_found(isp: peers.Device, tmp_path: Path) -> None:
    ready = asyncio.Event()

    def tell(one: Told) -> None:
        if isinstance(one, Found):
            ready.set()

    search = Bacnet(
        targets=(isp.address, "127.0.0.1:9"), interface="127.0.0.1/8", port=0, settle=Duration(0.3),
        at_once=1, write_ede=str(tmp_path / "part"),
    )  # fmt: skip
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(search.search(NoFacts(), SystemClock(), tell))
        await ready.wait()
        task.cancel()
    assert len(read(tmp_path / "part_EDE.csv").devices) == 1


async def test_an_address_where_nobody_answers_is_named() -> None:
    [one] = missed(await searched("127.0.0.1:9"))
    assert (one.address, one.why[:24]) == ("127.0.0.1:9", "no BACnet device answers")


async def test_a_port_that_is_taken_is_said_before_anything_is_asked(
    isp: peers.Device,
) -> None:
    port = isp.peer.place[1]
    with pytest.raises(DriverError, match=r"is taken by another program.*interface$"):
        await searched("127.0.0.1:9", port=port)


@pytest.mark.parametrize(
    ("targets", "options", "fault"),
    [
        (("10.20.0",), {}, '"10.20.0": expected an IP address'),
        (("10.0.0.0/8",), {}, "search 1024 at a time"),
        ((), {"instances": "20-10"}, "--instances"),
        ((), {"instances": "all"}, "--instances"),
        ((), {}, "with --port 0 nobody hears broadcasts"),
        (("10.20.0.15",), {"ede": "x.csv"}, "with --ede no address is asked"),
        ((), {"ede": "nowhere.csv"}, r"nowhere\.csv: No such file"),
        (("10.20.0.15",), {"interface": "10.20.0.2/99"}, "--interface: "),
    ],
)
async def test_words_that_cannot_be_meant_are_refused(
    targets: tuple[str, ...], options: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        await searched(*targets, **options)


def test_the_command_writes_a_file_that_the_gateway_takes_and_knows_it_again(
    isp: peers.Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(
        '[site]\ncity = "vaasa"\nid = "x"\ngateway = "gw1"\ntimezone = "Europe/Helsinki"\n', "utf-8"
    )
    words = ["scan", "bacnet", isp.address, "--interface", "127.0.0.1/8", "--port", "0", "--settle", "300ms"]
    assert main([*words, "--events", "--config", str(tmp_path), "--out", str(tmp_path / "found.toml")]) == 0
    [link] = load(tmp_path).links
    assert [point.name for point in link.driver.points()] == [
        "isp-77.zul_temp", "isp-77.zul_temp_event", "isp-77.vent", "isp-77.ba",
    ]  # fmt: skip
    capsys.readouterr()
    assert main([*words, "--config", str(tmp_path)]) == 0
    assert "it is device isp-77 of link bacnet" in capsys.readouterr().out


def test_everybody_on_a_network_with_broadcasts_is_found_twins_too() -> None:
    unshare = need("unshare")
    need("ip")
    devices = [
        {"address": "10.99.0.11/24:47808", "instance": 1011, "name": "north", "objects": OBJECTS},
        {"address": "10.99.0.12/24:47808", "instance": 1011, "name": "south", "objects": OBJECTS[:1]},
        {"address": "10.99.0.13/24:47808", "instance": 205, "name": "boiler", "objects": OBJECTS[:2]},
    ]
    script = str(Path(peers.__file__).with_name("bacnet_lan.py"))
    command = [unshare, "--net", "--map-root-user", sys.executable, script, json.dumps(devices)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 1 and done.stderr.startswith("unshare:"):
        missing(f"network namespaces ({done.stderr.strip()})")
    assert not done.returncode, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {one["address"]: one["device_name"] for one in told} == {
        "10.99.0.11": "north", "10.99.0.12": "south", "10.99.0.13": "boiler",
    }  # fmt: skip
    assert [one["address"] for one in told if "claimed by" in one["note"]] == ["10.99.0.11", "10.99.0.12"]


async def test_where_a_broadcast_manager_does_not_answer_nobody_can_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("drivers.bacnet.foreign._PATIENCE", 0.05)
    with pytest.raises(
        DriverError, match=r"nobody can be asked: not registered at 127\.0\.0\.1:9: no answer"
    ):
        await searched(bbmd="127.0.0.1:9")


async def test_a_subnet_is_asked_address_by_address() -> None:
    told = await searched("127.0.0.8/30")
    assert [one.address for one in missed(told)] == ["127.0.0.9", "127.0.0.10"]


async def test_the_only_card_and_the_only_link_that_may_be_meant_are_taken_unasked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(_: object) -> dict[str, Any]:
        raise AssertionError

    held = HeldLink("bms", {"driver": "bacnet-ip", "interface": "127.0.0.1/8"}, never)
    assert await Bacnet()._holder(Facts(held)) is held
    assert await Bacnet()._holder(Facts(held, held)) is None
    assert await Bacnet(port=47809)._holder(Facts(held)) is None
    monkeypatch.setattr("drivers.bacnet.interface.only", lambda: "lo")
    assert Bacnet(bbmd="10.0.0.1")._wish(None).link == {
        "driver": "bacnet-ip",
        "interface": "lo",
        "bbmd": "10.0.0.1",
    }


async def test_an_interface_that_is_lost_while_it_is_searched_ends_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lost(_: object) -> None:
        raise DriverError("this computer has not the address 127.0.0.1 any more")

    monkeypatch.setattr("drivers.bacnet.client.Client.watch", lost)
    with pytest.raises(DriverError, match=r"^this computer has not the address 127\.0\.0\.1 any more$"):
        await searched("127.0.0.1:9", settle=Duration(5))
