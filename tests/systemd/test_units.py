"""The units are understood by systemd, and leave the gateway few rights."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest

from bench import exposure as exposures
from tests.cli.test_apply import applied
from tests.peers import need
from tests.systemd.rights import (
    OTHERS,
    UNITS,
    VARIANTS,
    VISION,
    Variant,
    analyze,
    drop_in,
    exposure,
    laid,
    systemd,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a root folder with our units, and what they name."""
    return laid(tmp_path)


def _unit(name: str = "citygate.service") -> configparser.ConfigParser:
    reader = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    reader.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their capitals
    reader.read_string((UNITS / name).read_text())
    return reader


def test_systemd_understands_the_unit(root: Path) -> None:
    assert analyze("verify", f"--root={root}", "citygate.service") == ""


@pytest.mark.parametrize("name", OTHERS)
def test_systemd_understands_the_units_beside_it(root: Path, name: str) -> None:
    assert analyze("verify", f"--root={root}", name) == ""


@pytest.mark.parametrize("name", sorted(one.name for one in (UNITS / "drop-ins").iterdir()))
def test_systemd_understands_everydrop_in(root: Path, name: str) -> None:
    drop_in(root, name)
    assert analyze("verify", f"--root={root}", "citygate.service") == ""


@pytest.mark.parametrize("one", VARIANTS, ids=lambda one: one.what)
def test_a_unit_leaves_its_process_few_rights(root: Path, one: Variant) -> None:
    for name in one.drop_ins:
        drop_in(root, f"{name}.conf", one.unit)
    assert analyze("verify", f"--root={root}", one.unit) == ""
    assert exposure(root, one.unit) <= one.most


def test_the_page_shows_what_is_measured() -> None:
    """Written anew by: make bench-exposure."""
    if systemd() != 252:
        pytest.skip("the page tells what systemd 252 of Debian 12 counts")
    page = (ROOT / "docs/maintainer/running.md").read_text("utf-8")
    shown = re.findall(r"(?m)^\| [^|]* \| \d\.\d \| [\d.]* ?\|$", page)
    measured = exposures.rows()
    away = {one for one in shown if exposures.OTHER in one} - set(measured)
    assert not [one for one in away if one[2:].partition(",")[0] in exposures.peers()]
    assert [one for one in shown if one not in away] == measured


def test_what_is_applied_for_a_site_is_understood_and_leaves_few_rights(root: Path, tmp_path: Path) -> None:
    place = root / "etc/systemd/system" / "citygate.service.d"
    place.mkdir(parents=True)
    (place / "50-site.conf").write_text(applied(tmp_path), "utf-8")
    assert analyze("verify", f"--root={root}", "citygate.service") == ""
    assert exposure(root) <= 1.2


def test_a_narrow_network_leaves_it_fewer(root: Path) -> None:
    before = exposure(root)
    drop_in(root, "narrow-network.conf")
    assert exposure(root) < before


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
        assert analyze("verify", f"--root={root}", unit) == ""


def test_who_sees_pixels_speaks_as_its_unit_expects() -> None:
    service = _unit(VISION)["Service"]
    assert service["ExecStart"] == "/opt/citygate/bin/citygate-vision watch"
    assert service["StandardOutput"] == "null"
    assert "ORT_DISABLE_TELEMETRY=1" in (UNITS / VISION).read_text()
    assert _unit("citygate-vision.socket")["Socket"]["ListenSequentialPacket"] == "/run/citygate-vision.sock"
