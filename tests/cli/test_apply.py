"""`citygate apply` opens the units to what the configuration names, and to no more."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from agent.cli import apply, fence, units
from agent.cli.main import main
from agent.config.load import load
from agent.core.errors import ConfigError
from tests.agent.test_reach import SITE

ADDRESSES = {"broker.vaasa.example": ["192.0.2.10", "2001:db8::10"]}


def answers(name: str, *_: object, **__: object) -> list[Any]:
    """Stand in for a name server."""
    if name not in ADDRESSES:
        raise socket.gaierror("not known")
    return [(0, 0, 0, "", (one, 0)) for one in ADDRESSES[name]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a computer's folder of units, with both of ours installed and nothing running."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/site.toml").write_text(SITE, "utf-8")
    resolvers = tmp_path / "resolv.conf"
    resolvers.write_text("search vaasa.example\nnameserver 10.0.0.53\n", "utf-8")
    monkeypatch.setattr(apply, "UNITS", tmp_path / "units")
    monkeypatch.setattr(fence, "_RESOLVERS", resolvers)
    monkeypatch.setattr(fence, "_CHRONY", ())
    monkeypatch.setattr(socket, "getaddrinfo", answers)
    monkeypatch.setattr(units, "_RUNNING", tmp_path / "none")
    monkeypatch.setattr(units, "installed", lambda: frozenset({fence.GATEWAY, fence.VISION}))
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "site"))
    return tmp_path


def applied(folder: Path) -> str:
    """Give the gateway's drop-in for a site with everything, as text."""
    (folder / "site.toml").write_text(SITE, "utf-8")
    allowed = (("link plant-room", "10.20.0.15"), ("recipient city: broker.vaasa.example", "192.0.2.10"))
    found = fence.Found(allowed=allowed, names=("broker.vaasa.example",), also=(), told=())
    text = fence.files(load(folder / "site.toml"), folder, found, frozenset())[fence.SITE]
    assert text is not None
    return text


def test_the_gateway_reaches_what_is_configured_and_nothing_else(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["apply", str(place / "site")]) == 0
    lines = (place / "units" / fence.SITE).read_text("utf-8").splitlines()
    assert "IPAddressDeny=any" in lines
    assert [one.partition("=")[2] for one in lines if one.startswith("IPAddressAllow=")] == [
        "localhost", "10.20.0.15", "10.21.0.0/24", "10.22.0.9", "10.23.0.7",
        "192.0.2.10", "2001:db8::10", "10.0.0.53",
    ]  # fmt: skip
    assert "DeviceAllow=char-ttyUSB rw" in lines
    told = capsys.readouterr().out
    assert "recipient city: broker.vaasa.example is 192.0.2.10, 2001:db8::10" in told


def test_the_cameras_process_reaches_the_cameras_alone(place: Path) -> None:
    main(["apply", str(place / "site")])
    text = (place / "units" / fence.CAMERAS).read_text("utf-8")
    assert "IPAddressAllow=10.30.0.7" in text
    assert text.count("IPAddressAllow") == 1
    assert "10.30.0.7" not in (place / "units" / fence.SITE).read_text("utf-8")


def test_a_site_without_cameras_takes_their_drop_in_away(place: Path) -> None:
    main(["apply", str(place / "site")])
    file = place / "site/site.toml"
    before, _, after = SITE.partition("[link.square]")
    file.write_text(before + after[after.index("[recipient.city]") :], "utf-8")
    main(["apply", str(place / "site")])
    assert not (place / "units" / fence.CAMERAS).exists()


def test_a_dry_run_shows_the_difference_and_writes_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["apply", str(place / "site"), "--dry-run"]) == 0
    assert "+IPAddressAllow=10.20.0.15" in capsys.readouterr().out
    assert not (place / "units").exists()
    main(["apply", str(place / "site")])
    capsys.readouterr()
    main(["apply", str(place / "site"), "--dry-run"])
    assert "No unit would change" in capsys.readouterr().out


def test_a_faulty_configuration_changes_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "site/site.toml").write_text(SITE.replace("host =", "hots ="), "utf-8")
    assert main(["apply", str(place / "site")]) == 2
    assert not (place / "units").exists()
    assert "hots" in capsys.readouterr().err


def test_a_network_given_by_hand_stays_until_it_is_forgotten(place: Path) -> None:
    site = str(place / "site")

    def allowed() -> bool:
        return "IPAddressAllow=198.51.100.0/24" in (place / "units" / fence.SITE).read_text("utf-8")

    main(["apply", site, "--also", "198.51.100.0/24"])
    assert allowed()
    main(["apply", site])
    assert allowed()
    main(["apply", site, "--also", "none"])
    assert not allowed()
    with pytest.raises(ConfigError, match="is no network"):
        fence.added(["everywhere"], place)


def test_a_name_that_nobody_knows_is_told_and_stays_out_of_reach(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ADDRESSES, "broker.vaasa.example", [])
    main(["apply", str(place / "site")])
    assert "broker.vaasa.example is not known to any name server now" in capsys.readouterr().out
    assert "broker.vaasa.example" not in (place / "units" / fence.SITE).read_text("utf-8")


def sealed(place: Path, name: str) -> Path:
    """Seal a secret, as far as a file says so; give the file."""
    folder = place / "site/sealed"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("x", "utf-8")
    return folder / name


def handed(place: Path, drop_in: str) -> list[str]:
    """Give what systemd hands over by *drop_in*."""
    lines = (place / "units" / drop_in).read_text("utf-8").splitlines()
    return [one.partition("=")[2] for one in lines if one.startswith("LoadCredential")]


def with_password(place: Path, more: str = "") -> None:
    text = SITE.replace('stream2"', 'stream2"\nuser = "me"\npassword = "credential:square"')
    (place / "site/site.toml").write_text(text + more, "utf-8")


def test_a_sealed_secret_is_handed_over_by_systemd_to_who_needs_it(place: Path) -> None:
    square, city = sealed(place, "square"), sealed(place, "city")
    with_password(place)
    main(["apply", str(place / "site")])
    assert handed(place, fence.CAMERAS) == [f"square:{square}"]
    assert handed(place, fence.SITE) == [f"city:{city}"], "a camera's password is not the gateway's"
    with_password(
        place, 'username = "gw1"\npassword = "credential:square"\n'
    )  # of the last table: a recipient
    main(["apply", str(place / "site")])
    assert handed(place, fence.SITE) == [f"city:{city}", f"square:{square}"]


def test_without_a_unit_of_its_own_the_cameras_process_is_the_gateways_child(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "installed", lambda: frozenset({fence.GATEWAY}))
    square = sealed(place, "square")
    with_password(place)
    main(["apply", str(place / "site")])
    assert handed(place, fence.SITE) == [f"square:{square}"]


def test_another_secret_under_the_same_name_starts_who_uses_it_again(place: Path) -> None:
    square = sealed(place, "square")
    with_password(place)

    def written() -> list[str]:
        main(["apply", str(place / "site")])
        return [(place / "units" / name).read_text("utf-8") for name in (fence.SITE, fence.CAMERAS)]

    first = written()
    assert written() == first
    os.utime(square, ns=(0, 1_800_000_000_000_000_000))
    site, cameras = written()
    assert site == first[0]
    assert cameras != first[1]


def test_behind_a_proxy_the_service_is_opened_to_the_proxy_alone(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ADDRESSES, "proxy.vaasa.example", ["192.0.2.3"])
    text = f'{SITE}proxy = "http://proxy.vaasa.example:3128"\n'
    (place / "site/site.toml").write_text(text, "utf-8")
    assert main(["apply", str(place / "site")]) == 0
    drop_in = (place / "units" / fence.SITE).read_text("utf-8")
    assert "IPAddressAllow=192.0.2.3" in drop_in
    assert "192.0.2.10" not in drop_in
    assert "recipient city, its proxy: proxy.vaasa.example is 192.0.2.3" in capsys.readouterr().out


def test_a_broker_that_is_assigned_later_is_told_of(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("hub.vaasa.example", "provisioning.vaasa.example"):
        monkeypatch.setitem(ADDRESSES, name, ["192.0.2.3"])
    cloud = """[recipient.{name}]
broker = "mqtts://{name}.vaasa.example"
password = "credential:cloud-key"
encoding = {{ use = "azure-iot-hub", device = "gw1"{scope} }}
"""
    hub = cloud.format(name="hub", scope="")
    provisioning = cloud.format(name="provisioning", scope=', scope = "0ne00ABCDEF"')
    (place / "site/site.toml").write_text(SITE + hub + provisioning, "utf-8")
    assert main(["apply", str(place / "site")]) == 0
    told = [one for one in capsys.readouterr().out.splitlines() if "provisioning service" in one]
    assert len(told) == 1
    assert told[0].startswith("recipient provisioning: which broker its provisioning service")
    assert "`citygate apply --also NET` opens its network" in told[0]


def test_a_port_is_opened_by_its_kind_wherever_its_name_leads(tmp_path: Path) -> None:
    by_id = tmp_path / "by-id"
    by_id.symlink_to("/dev/ttyAMA3")
    assert fence._kinds([str(by_id)]) == ["ttyAMA"]
    assert fence._kinds(["/dev/serial/by-id/not-there"]) == ["ttyACM", "ttyUSB"]


def test_the_plan_of_the_cameras_counts_as_watching(place: Path) -> None:
    assert fence.watches(load(place / "site"))


class Systemd:
    """A systemctl that does what a test wants and remembers what it was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "systemctl"
        self.heard = folder / "heard"
        for name, text in (("ActiveState", "active"), ("StatusText", "1 link, 2 routes, all well")):
            self.say(name, text)
        self.program.write_text(
            '#!/bin/sh\ncd "$(dirname "$0")"\nif [ "$1" = show ]; then cat "said-$4"; exit; fi\n'
            'echo "$*" >> heard\nif [ -e fails ]; then echo "it is masked" >&2; exit 1; fi\n'
            'if [ "$1" = reload ]; then date +%s%N > said-StateChangeTimestampMonotonic; fi\n',
            "utf-8",
        )
        self.program.chmod(0o755)

    def say(self, name: str, text: str) -> None:
        (self.folder / f"said-{name}").write_text(f"{text}\n", "utf-8")

    def told(self) -> list[str]:
        return self.heard.read_text("utf-8").splitlines() if self.heard.exists() else []


@pytest.fixture
def systemd(place: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    folder = place / "bin"
    folder.mkdir()
    made = Systemd(folder)
    made.say("StateChangeTimestampMonotonic", "1")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(units, "_RUNNING", place)
    monkeypatch.setattr(units, "_GLANCE", 0.0)
    monkeypatch.setattr(units, "ask", lambda *_: {"fault": ""})
    return made


def test_changed_units_are_taken_over_and_the_gateways_own_words_are_shown(
    place: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["apply", str(place / "site")]) == 0
    told = systemd.told()
    assert told[0] == "daemon-reload"
    assert "stop citygate-vision.service" in told
    assert told[-1] == "restart citygate.service"
    assert "citygate.service started: 1 link, 2 routes, all well\n" in capsys.readouterr().out


def test_without_a_changed_unit_the_files_are_read_anew_and_a_fault_in_them_is_shown(
    place: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["apply", str(place / "site")])
    systemd.heard.unlink()
    capsys.readouterr()
    assert main(["apply", str(place / "site")]) == 0
    assert systemd.told()[-1] == "reload citygate.service"
    assert "citygate.service read its files anew: 1 link, 2 routes" in capsys.readouterr().out
    monkeypatch.setattr(units, "ask", lambda *_: {"fault": "site.toml:3:1: unknown key"})
    assert main(["apply", str(place / "site")]) == 1
    assert "citygate.service read its files anew: site.toml:3:1: unknown key" in capsys.readouterr().out


def test_a_gateway_that_does_not_run_or_answer_is_said(
    place: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["apply", str(place / "site")])
    monkeypatch.setattr(units, "_PATIENCE", 0.0)
    assert main(["apply", str(place / "site")]) == 1
    assert "it does not answer within 0 s; `citygate status` tells more" in capsys.readouterr().out
    systemd.say("ActiveState", "failed")
    assert main(["apply", str(place / "site")]) == 1
    assert "does not run; `journalctl -u citygate -n 30` says why" in capsys.readouterr().out
    assert systemd.told()[-1] == "restart citygate.service"


def test_a_gateway_that_takes_its_time_to_read_the_files_is_waited_for(
    place: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["apply", str(place / "site")])
    systemd.program.write_text(systemd.program.read_text("utf-8").replace("= reload", "= never"), "utf-8")
    waits = [None, lambda: systemd.say("StateChangeTimestampMonotonic", "2")]

    def pass_(_: float) -> None:
        if wait := waits.pop(0):
            wait()

    monkeypatch.setattr("agent.cli.units.time.sleep", pass_)
    assert main(["apply", str(place / "site")]) == 0
    assert waits == []
    assert "citygate.service read its files anew: 1 link, 2 routes" in capsys.readouterr().out


def test_what_systemd_refuses_is_told_in_its_words(
    place: Path, systemd: Systemd, capsys: pytest.CaptureFixture[str]
) -> None:
    (systemd.folder / "fails").touch()
    assert main(["apply", str(place / "site")]) == 1
    assert capsys.readouterr().err == "systemctl daemon-reload failed: it is masked\n"


def test_a_socket_is_opened_for_cameras_alone(
    place: Path, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "installed", lambda: frozenset({fence.GATEWAY, fence.VISION, units._SOCKET}))
    main(["apply", str(place / "site")])
    assert "enable --quiet --now citygate-vision.socket" in systemd.told()


def test_without_a_list_of_name_servers_the_address_alone_is_opened(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fence, "_RESOLVERS", place / "none")
    assert main(["apply", str(place / "site")]) == 0
    lines = (place / "units" / fence.SITE).read_text("utf-8").splitlines()
    assert "IPAddressAllow=10.20.0.15" in lines
    assert "IPAddressAllow=10.0.0.53" not in lines


def test_a_site_without_serial_lines_gets_no_device(place: Path) -> None:
    serial = '[link.meters]\ndriver = "modbus-rtu"\npath = "/dev/ttyUSB0"\n'
    (place / "site/site.toml").write_text(SITE.replace(serial, ""), "utf-8")
    main(["apply", str(place / "site")])
    assert "DeviceAllow" not in (place / "units" / fence.SITE).read_text("utf-8")


def test_units_are_known_by_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "citygate.service").touch()
    monkeypatch.setattr(units, "_PLACES", (tmp_path / "etc", tmp_path / "lib"))
    assert units.installed() == {"citygate.service"}
