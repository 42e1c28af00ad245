"""The gateway knows what its fence lets it reach, and says so before an address outside it stays silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config.load import load
from agent.core.errors import ConfigError
from agent.core.plan import Plan
from agent.reach import VARIABLE, Wish, dated, must_fit, outside, wishes
from agent.vitals import surroundings
from tests.core.test_certificate import end_by_openssl, made

SITE = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
timezone = "Europe/Helsinki"
[link.plant-room]
driver = "modbus-tcp"
host = "10.20.0.15"
[link.meters]
driver = "modbus-rtu"
path = "/dev/ttyUSB0"
[link.bms]
driver = "bacnet-ip"
interface = "10.21.0.2/24"
bbmd = "10.22.0.9"
[device.ahu]
link = "bms"
instance = 7
address = "10.23.0.7:47809"
points.a = { object = "analog-input,1" }
[device.far]
link = "bms"
instance = 8
address = "2001:12"
points.a = { object = "analog-input,1" }
[link.square]
driver = "camera"
source = "rtsp://10.30.0.7/stream2"
model = "toy"
lines.gate = { from = [0.1, 0.1], to = [0.9, 0.9] }
[recipient.city]
broker = "mqtts://broker.vaasa.example:8883"
"""
ALL = "10.20.0.0/16 10.21.0.0/24 10.22.0.9 10.23.0.7 broker.vaasa.example 192.0.2.10"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    file = tmp_path / "site.toml"
    file.write_text(SITE, "utf-8")
    return load(file)


def test_every_driver_says_what_it_needs(plan: Plan) -> None:
    found = wishes(plan)
    assert [(one.who, one.host) for one in found.hosts] == [
        ("link plant-room", "10.20.0.15"),
        ("link bms", "10.21.0.0/24"),
        ("link bms", "10.22.0.9"),
        ("link bms", "10.23.0.7"),
        ("recipient city", "broker.vaasa.example"),
    ]
    assert [(one.who, one.host) for one in found.ports] == [("link meters", "/dev/ttyUSB0")]
    assert not found.unknown


def test_nothing_is_outside_where_no_fence_was_told_of(plan: Plan) -> None:
    assert outside(plan, {}) == []


def test_networks_addresses_and_names_open_the_fence(plan: Plan) -> None:
    assert outside(plan, {VARIABLE: ALL}) == []


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        ("10.20.0.0/16", "link plant-room: 10.20.0.15"),
        ("10.21.0.0/24", "link bms: 10.21.0.0/24"),
        ("broker.vaasa.example", "recipient city: broker.vaasa.example"),
    ],
)
def test_what_lies_outside_is_a_fault_that_names_link_address_and_remedy(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, gone: str, named: str
) -> None:
    monkeypatch.setenv(VARIABLE, ALL.replace(gone, ""))
    with pytest.raises(ConfigError) as caught:
        must_fit(plan)
    text = str(caught.value)
    assert text.startswith(f"{named} is outside the fence of citygate.service")
    assert "`sudo citygate apply`" in text
    assert text.count("\n") == 0


def test_behind_a_proxy_the_proxy_is_reached_and_not_the_broker(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(f'{SITE}proxy = "http://[2001:db8::3]:3128"\n', "utf-8")
    behind = load(file)
    assert wishes(behind).hosts[-1] == Wish("recipient city, its proxy", "2001:db8::3")
    assert outside(behind, {VARIABLE: ALL}) == [
        "recipient city, its proxy: 2001:db8::3 is outside the fence of citygate.service, so nothing there "
        "would answer; `sudo citygate apply` opens it for what the configuration names"
    ]
    assert outside(behind, {VARIABLE: f"{ALL.replace('broker.vaasa.example', '')} 2001:db8::/32"}) == []


LATER = """
[link.later]
driver = "bacnet-ip"
interface = "eth-that-is-not-there"
[link.chiller]
driver = "modbus-tls"
host = "10.20.0.16"
ca = "credential:gone"
certificate = "{certificate}"
key = "credential:chiller-key"
"""


def test_a_link_whose_network_card_is_missing_keeps_nobody_else_from_being_told(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(f"{SITE}{LATER.format(certificate='/etc/citygate/chiller.pem')}", "utf-8")
    plan = load(file)
    assert wishes(plan).unknown == ("link later",)
    assert [(one.who, one.host) for one in wishes(plan).hosts if one.who == "link chiller"] == [
        ("link chiller", "10.20.0.16")
    ]
    found = [(one.whose, one.name, one.role) for one in dated(plan)]
    assert ("link", "chiller", "client certificate") in found
    assert "later" not in {name for _, name, _ in found}


def test_what_certificates_have_left_of_their_lives_is_known_of_links_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = made(tmp_path / "chiller.pem", 30, "ec")
    file = tmp_path / "site.toml"
    file.write_text(f"{SITE}{LATER.format(certificate=certificate)}", "utf-8")
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path))
    ends = {(whose, name, role): end for whose, name, role, end in surroundings(load(file), tmp_path).ends}
    assert ends.keys() == {("link", "chiller", "client")}
    assert ends["link", "chiller", "client"] == end_by_openssl(certificate)


def test_a_state_folder_that_is_not_there_has_no_room_to_tell_of(plan: Plan, tmp_path: Path) -> None:
    assert surroundings(plan, tmp_path / "gone").free is None
    assert surroundings(plan, tmp_path).free


def test_a_fence_holds_addresses_of_its_own_kind_alone(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(SITE.replace("10.20.0.15", "2001:db8::15"), "utf-8")
    there = load(file)
    assert [one.partition(":")[0] for one in outside(there, {VARIABLE: ALL})] == ["link plant-room"]
    assert outside(there, {VARIABLE: f"{ALL} 2001:db8::/64"}) == []
    file.write_text(SITE.replace("10.20.0.15", "127.0.0.1"), "utf-8")
    assert outside(load(file), {VARIABLE: ALL}) == []
