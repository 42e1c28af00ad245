"""What profiles say of the devices they are for."""

from __future__ import annotations

from pathlib import Path

from agent.config.load import load
from agent.config.profiles import tables
from drivers.modbus_tcp import ModbusTcp

SITE = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
[link.room]
driver = "modbus-tcp"
host = "10.0.0.1"
[device.one]
link = "room"
unit = 1
profile = "acme/meter"
[device.two]
link = "room"
unit = 2
profile = "acme/meter"
[device.other]
link = "room"
unit = 3
profile = "acme/meter"
[device.other.points]
power = { addr = 9 }
"""
METER = """
[profile]
vendor = "Acme"
model = "Meter"
[defaults]
table = "input"
[point.power]
addr = 1
[point.energy]
addr = 2
"""


def lay(folder: Path, name: str, text: str) -> None:
    file = folder / "profiles" / f"{name}.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_shipped_profiles_tell_how_to_know_their_devices() -> None:
    known = tables()
    assert known["abb/b21"]["identify"]["model"]["values"] == [0x42323120]
    assert "identify" not in known["eastron/sdm630"]  # it has no register that tells its type


def test_the_sites_own_profile_wins_and_a_broken_one_tells_nothing(tmp_path: Path) -> None:
    lay(tmp_path, "abb/b21", "[identify]\nmodel = { addr = 7, values = [1] }\n")
    lay(tmp_path, "acme/boiler", "[identify]\nmaker = { addr = 1, text = ['ACME'], words = 4 }\n")
    lay(tmp_path, "acme/pump", "[identify\n")
    known = tables(tmp_path)
    assert known["abb/b21"] == {"identify": {"model": {"addr": 7, "values": [1]}}}
    assert known["acme/boiler"]["identify"]["maker"]["words"] == 4
    assert "acme/pump" not in known


def test_devices_of_a_type_share_its_points_but_not_those_that_one_has_of_its_own(tmp_path: Path) -> None:
    lay(tmp_path, "acme/meter", METER)
    (tmp_path / "site.toml").write_text(SITE, encoding="utf-8")
    (link,) = load(tmp_path).links
    assert isinstance(link.driver, ModbusTcp)
    one, two, other = link.driver.devices
    assert one.points["power"] is two.points["power"]
    assert one.points["energy"] is other.points["energy"]
    assert (one.points["power"].addr, other.points["power"].addr) == (1, 9)
    assert other.points["power"].table == "input"
