"""The units are understood by systemd, and leave the gateway few rights."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest

from agent.resources import resource
from tests.cli.test_apply import applied
from tests.peers import need

UNITS = Path(str(resource("systemd")))
VISION = "citygate-vision.service"
TARGETS = (
    "sysinit", "basic", "shutdown", "network-online", "multi-user", "sockets", "timers", "time-set",
    "time-sync",
)  # fmt: skip
OTHERS = ("citygate-bundle.service", "citygate-renew.service", "citygate-renew.timer")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a root folder with our unit, a stub of the command, and the targets that a system has."""
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for socket in ("systemd-journald@citygate.socket", "systemd-journald-varlink@citygate.socket"):
        (units / socket).write_text("[Socket]\nListenDatagram=/run/stub\n")
        (units / f"{socket.removesuffix('.socket')}.service").write_text("[Service]\nExecStart=/bin/kill\n")
    for target in (
        "sysinit",
        "basic",
        "shutdown",
        "network-online",
        "multi-user",
        "sockets",
        "timers",
        "time-set",
        "time-sync",
    ):
        (units / f"{target}.target").write_text("[Unit]\nDescription=stub\n")
    for program in ("opt/citygate/bin/citygate", "opt/citygate/bin/citygate-vision", "bin/kill"):
        stub = tmp_path / program
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text("#!/bin/sh\n")
        stub.chmod(0o755)
    for unit in ("citygate.service", *OTHERS, VISION, "citygate-vision.socket"):
        (units / unit).write_text((UNITS / unit).read_text())
    return tmp_path


def _analyze(*words: str) -> str:
    done = subprocess.run(
        [need("systemd-analyze"), *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _exposure(root: Path, unit: str = "citygate.service") -> float:
    told = _analyze("security", "--offline=yes", f"--root={root}", unit)
    found = re.search(rf"exposure level for {re.escape(unit)}: ([\d.]+)", told)
    assert found, told
    return float(found[1])


def _drop_in(root: Path, name: str, unit: str = "citygate.service", folder: str = "drop-ins") -> None:
    place = root / "etc/systemd/system" / f"{unit}.d"
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_text((UNITS / folder / name).read_text())


def _unit(name: str = "citygate.service") -> configparser.ConfigParser:
    reader = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    reader.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their capitals
    reader.read_string((UNITS / name).read_text())
    return reader


def test_systemd_understands_the_unit(root: Path) -> None:
    assert _analyze("verify", f"--root={root}", "citygate.service") == ""


@pytest.mark.parametrize("name", OTHERS)
def test_systemd_understands_the_units_beside_it(root: Path, name: str) -> None:
    assert _analyze("verify", f"--root={root}", name) == ""


@pytest.mark.parametrize("name", sorted(one.name for one in (UNITS / "drop-ins").iterdir()))
def test_systemd_understands_every_drop_in(root: Path, name: str) -> None:
    _drop_in(root, name)
    assert _analyze("verify", f"--root={root}", "citygate.service") == ""


def test_the_gateway_has_few_rights(root: Path) -> None:
    assert _exposure(root) <= 1.2


def test_with_serial_ports_it_has_few_rights_still(root: Path) -> None:
    for name in ("narrow-network.conf", "serial.conf"):
        _drop_in(root, name)
    assert _exposure(root) <= 1.2


def test_what_is_applied_for_a_site_is_understood_and_leaves_few_rights(root: Path, tmp_path: Path) -> None:
    place = root / "etc/systemd/system" / "citygate.service.d"
    place.mkdir(parents=True)
    (place / "50-site.conf").write_text(applied(tmp_path), "utf-8")
    assert _analyze("verify", f"--root={root}", "citygate.service") == ""
    assert _exposure(root) <= 1.2


def test_a_narrow_network_leaves_it_fewer(root: Path) -> None:
    before = _exposure(root)
    _drop_in(root, "narrow-network.conf")
    assert _exposure(root) < before


def test_the_unit_speaks_the_daemons_language() -> None:
    service = _unit()["Service"]
    assert service["Type"] == "notify"
    assert service["NotifyAccess"] == "main"
    assert service["ExecReload"].endswith("kill -HUP $MAINPID")
    assert int(service["WatchdogSec"]) >= 30
    assert service["RestartPreventExitStatus"] == "2"  # a faulty configuration is not started in a circle
    for folder in ("StateDirectory", "RuntimeDirectory", "ConfigurationDirectory"):
        assert service[folder] == "citygate"


def test_systemd_understands_the_user_and_the_folder(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for program, file in (
        ("systemd-sysusers", "citygate.sysusers.conf"),
        ("systemd-tmpfiles", "citygate.tmpfiles.conf"),
    ):
        words = [need(program), f"--root={tmp_path}", *(["--create"] if "tmpfiles" in program else [])]
        done = subprocess.run([*words, str(UNITS / file)], capture_output=True, text=True, check=False)
        if os.geteuid() == 0:
            assert done.returncode == 0, done.stderr
        assert "Unknown" not in done.stderr
    if os.geteuid() == 0:
        assert (tmp_path / "etc/citygate/credentials").stat().st_mode & 0o777 == 0o750
        assert "citygate" in (tmp_path / "etc/passwd").read_text()


def test_systemd_understands_the_units_of_the_cameras(root: Path) -> None:
    for unit in (VISION, "citygate-vision.socket"):
        assert _analyze("verify", f"--root={root}", unit) == ""


@pytest.mark.parametrize(
    ("names", "most"), [((), 0.6), (("usb-camera.conf",), 0.6), (("ip-camera.conf",), 1.2)]
)
def test_who_sees_pixels_has_next_to_no_rights(root: Path, names: tuple[str, ...], most: float) -> None:
    for name in names:
        _drop_in(root, name, VISION, "vision-drop-ins")
    assert _analyze("verify", f"--root={root}", VISION) == ""
    assert _exposure(root, VISION) <= most


def test_who_sees_pixels_speaks_as_its_unit_expects() -> None:
    service = _unit(VISION)["Service"]
    assert service["ExecStart"] == "/opt/citygate/bin/citygate-vision watch"
    assert service["StandardOutput"] == "null"
    assert "ORT_DISABLE_TELEMETRY=1" in (UNITS / VISION).read_text()
    assert _unit("citygate-vision.socket")["Socket"]["ListenSequentialPacket"] == "/run/citygate-vision.sock"
