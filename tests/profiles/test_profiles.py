"""Every profile compiles, and turns golden registers into the expected values."""

from __future__ import annotations

import tempfile
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from agent.config.load import load
from agent.core.units import UNITS
from agent.resources import resource
from drivers.modbus.device import ModbusDevice
from drivers.modbus.plan import Block
from drivers.modbus.reader import Outcome, Reader
from drivers.modbus.request import Answer
from drivers.modbus_tcp import ModbusTcp
from tests.virtual import VirtualClock

HERE = Path(__file__).parent
SHIPPED = Path(str(resource("config/profiles")))
PROFILES = sorted(path.relative_to(SHIPPED).as_posix() for path in SHIPPED.glob("*/*.toml"))
SITE = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
timezone = "Europe/Helsinki"
[link.room]
driver = "modbus-tcp"
host = "10.0.0.1"
[device.it]
link = "room"
profile = "{profile}"
"""


def loaded(name: str) -> dict[str, Any]:
    return tomllib.loads((SHIPPED / name).read_text("utf-8"))


@cache
def compiled(name: str) -> ModbusDevice:
    """Give a device of this profile, as the configuration compiler makes it."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site.toml"
        site.write_text(SITE.format(profile=name.removesuffix(".toml")), "utf-8")
        (link,) = load(site).links
    assert isinstance(link.driver, ModbusTcp)
    (device,) = link.driver.devices
    assert isinstance(device, ModbusDevice)
    return device


def reader(device: ModbusDevice) -> Reader:
    class Nobody:
        async def ask(self, *_: object) -> Answer:
            raise AssertionError("golden words are not asked for")

    return Reader(device, Nobody(), VirtualClock(), timeout=1.0)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_has_a_golden_file(name: str) -> None:
    assert (HERE / name).is_file(), f"write tests/profiles/{name}: raw words and expected values"


@pytest.mark.parametrize(
    "path", sorted(HERE.glob("*/*.toml")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_a_golden_file_belongs_to_a_profile(path: Path) -> None:
    assert path.relative_to(HERE).as_posix() in PROFILES


@pytest.mark.parametrize("name", PROFILES)
def test_golden_words_become_the_expected_values(name: str) -> None:
    device = compiled(name)
    known = reader(device)
    seen: set[str] = set()
    for case in tomllib.loads((HERE / name).read_text("utf-8"))["case"]:
        got: dict[str, object] = {}
        for golden in case["blocks"]:
            data = b"".join(word.to_bytes(2, "big") for word in golden["words"])
            start, size = golden["addr"], len(golden["words"])
            spans = tuple(
                span
                for span in (device.span(one, point) for one, point in device.points.items())
                if span.table == golden["table"] and start <= span.start and span.end <= start + size
            )
            outcome = Outcome(Block(golden["table"], start, size, spans), Answer(data, 1.0))
            for sample in known.samples(outcome):
                point = sample.point.removeprefix("it.")
                got[point] = sample.why if sample.value is None else pytest.approx(sample.value, rel=1e-6)
        assert case["expected"] == got, case["what"]
        seen |= got.keys()
    assert seen == device.points.keys(), "every point of a profile is in its golden file"


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_names_itself_its_sources_and_known_units(name: str) -> None:
    about, device = loaded(name)["profile"], compiled(name)
    assert about["id"] == name.removesuffix(".toml")
    assert len(about["sources"]) >= 2, "a fact needs two independent sources"
    assert about["protocol"] == "modbus"
    for point in device.points.values():
        assert point.unit in UNITS
        assert point.quantity


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_read_in_a_handful_of_requests(name: str) -> None:
    blocks = compiled(name).blocks()
    assert len(blocks) <= 3
    assert all(block.size <= compiled(name).max_block for block in blocks)
