"""What must be set up at a platform, as the command writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli.main import main
from tests.cli.conftest import SHARING, SITE

FIWARE = """\
[recipient.city]
broker = "mqtts://broker.vaasa.example:8883"
[recipient.city.encoding]
use = "fiware"
[recipient.city.encoding.models.energy]
model = "ThreePhaseAcMeasurement"
map = { totalActivePower = "active_power.mean", totalActiveEnergyImport = "import_energy.delta" }
"""
PLAIN = '[recipient.city]\nbroker = "mqtts://broker.vaasa.example:8883"\n'


def site(folder: Path, recipient: str) -> str:
    (folder / "site.toml").write_text(SITE.format(port=502) + SHARING.replace(PLAIN, recipient), "utf-8")
    return str(folder)


def test_the_iot_agents_bodies_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "fiware", site(tmp_path, FIWARE)]) == 0
    found = json.loads(capsys.readouterr().out)["city"]
    assert found["services"]["services"][0]["timestamp"] is True
    meter, gateway = found["devices"]["devices"]
    assert meter["device_id"] == "library.energy.main-meter"
    assert meter["entity_type"] == "ThreePhaseAcMeasurement"
    assert gateway["device_id"] == "library.gw1"


def test_they_are_written_into_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["export", "fiware", site(tmp_path, FIWARE), "--into", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["city-devices.json", "city-services.json"]
    assert capsys.readouterr().out.split() == [
        str(out / "city-services.json"),
        str(out / "city-devices.json"),
    ]


def test_without_such_a_recipient_it_says_which_encodings_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "fiware", site(tmp_path, PLAIN)]) == 2
    assert 'no recipient has encoding = "fiware"; used here: native' in capsys.readouterr().err


def test_what_thingsboard_needs_is_one_gateway(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = PLAIN + 'encoding = "thingsboard"\nusername = "credential:token"\n'
    assert main(["export", "thingsboard", site(tmp_path, board)]) == 0
    found = json.loads(capsys.readouterr().out)["city"]
    assert found["device"]["additionalInfo"]["gateway"] is True
    assert found["names"] == ["library.gw1.energy"]
