"""A small site for commands: one meter, one product, one recipient."""

from __future__ import annotations

from pathlib import Path

import pytest

SITE = """\
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
timezone = "Europe/Helsinki"

[link.plant-room]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {port}

[device.main-meter]
link = "plant-room"
unit = 1
every = "1s"

[device.main-meter.points]
active_power = {{ addr = 52, table = "input", type = "f32", scale = 0.001, unit = "kW" }}
import_energy = {{ addr = 72, table = "input", type = "f32", unit = "kW.h", kind = "counter" }}
"""

SHARING = """\
[owner]
name = "City of Vaasa"
contact = "data@vaasa.example"

[product.energy]
from = ["main-meter.*"]
window = "15m"
statistics = ["mean", "max", "delta"]

[recipient.city]
broker = "mqtts://broker.vaasa.example:8883"

[grant.city-operations]
recipient = "city"
products = ["energy"]
purpose = "operations"
basis = "public-task"
keep = "400d"
until = 2030-12-31
"""


@pytest.fixture(autouse=True)
def usual_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no command of one test tell the next where the configuration lies."""
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", "/etc/citygate")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)


def lay(folder: Path, port: int = 502) -> Path:
    """Write the site into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.toml").write_text(SITE.format(port=port), encoding="utf-8")
    (folder / "sharing.toml").write_text(SHARING, encoding="utf-8")
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return lay(tmp_path / "site")
