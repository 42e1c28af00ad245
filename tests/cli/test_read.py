"""`citygate read` shows live values, by itself when no gateway runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main
from agent.cli.read import advice, matching
from agent.config.load import load
from agent.core.errors import ConfigError
from tests.cli.conftest import SITE, lay
from tests.cli.test_scan import gateway

Screen = pytest.CaptureFixture[str]


@pytest.fixture
def metered(tmp_path: Path) -> Iterator[Path]:
    """Lay a site whose meter answers."""
    words = [sys.executable, "-P", "-m", "agent.demo.meter", "--truth", str(tmp_path / "truth.jsonl")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as meter:
        assert meter.stdout is not None
        yield lay(tmp_path / "site", int(meter.stdout.readline().split()[1]))
        meter.terminate()


def read(site: Path, *words: str) -> int:
    return main(["read", *words, "--config", str(site), "--socket", str(site / "none.sock")])


def test_values_come_with_unit_quality_and_raw_words(metered: Path, capsys: Screen) -> None:
    assert read(metered, "--json") == 0
    readings = {one["point"]: one for one in json.loads(capsys.readouterr().out)["readings"]}
    power = readings["main-meter.active_power"]
    assert 100 < power["value"] < 400
    assert (power["unit"], power["quality"]) == ("kW", "good")
    assert power["raw"]
    truth = json.loads((metered.parent / "truth.jsonl").read_text().splitlines()[-1])
    assert readings["main-meter.import_energy"]["value"] == pytest.approx(truth["import_energy"], abs=0.01)


def test_a_person_sees_a_table_and_who_read(metered: Path, capsys: Screen) -> None:
    assert read(metered, "main-meter.active_power") == 0
    said = capsys.readouterr().out
    assert "directly, because no gateway runs here" in said
    assert "main-meter.active_power" in said
    assert "import_energy" not in said


def test_a_meter_that_is_away_is_a_sentence_and_1(site: Path, capsys: Screen) -> None:
    text = (site / "site.toml").read_text()
    (site / "site.toml").write_text(text.replace("port = 502", "port = 9"))
    assert read(site) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_names_may_be_links_devices_and_points(site: Path) -> None:
    plan = load(site)
    every = ["main-meter.active_power", "main-meter.import_energy"]
    assert matching(plan, []) == matching(plan, ["plant-room"]) == matching(plan, ["main-meter"]) == every
    assert matching(plan, [every[1], "main-meter"]) == [every[1], every[0]]


def test_an_unknown_name_gets_the_nearest_one(site: Path) -> None:
    with pytest.raises(ConfigError, match='did you mean "main-meter"'):
        matching(load(site), ["main-metre"])


def test_a_name_like_no_other_gets_the_names_there_are(site: Path) -> None:
    with pytest.raises(ConfigError, match="known: plant-room, main-meter"):
        matching(load(site), ["zzz"])


def test_each_kind_of_trouble_is_followed_by_what_to_look_at() -> None:
    def reading(point: str, value: float | None, why: str = "") -> dict[str, Any]:
        return {"point": point, "value": value, "quality": "bad" if why else "good", "why": why}

    said = advice([
        reading("a.good", 1.0),
        reading("a.silent", None, "no_reply"),
        reading("a.too", None, "no_reply"),
        reading("a.missing", None, "illegal_address"),
        reading("a.broken", None, "open_loop"),
        reading("a.swapped", 5.9e34),
    ])  # fmt: skip
    assert [one.partition(" ")[0] for one in said] == ["a.silent:", "a.missing:", "a.broken:", "a.swapped"]
    assert "unit number" in said[0]
    assert "profile" in said[1]
    assert "the device itself calls this value wrong" in said[2]
    assert "byte_order" in said[3]
    assert advice([reading("a.zero", 0.0)]) == []


def test_an_interval_without_a_unit_is_refused(site: Path, capsys: Screen) -> None:
    assert read(site, "--every", "2") == 2
    assert "expected a duration" in capsys.readouterr().err


def test_what_an_eavesdropper_hears_cannot_be_asked_for_without_the_gateway(
    tmp_path: Path, capsys: Screen
) -> None:
    link = '[link.square]\ndriver = "camera"\nsource = "rtsp://10.30.0.7/s"\nmodel = "nanodet-g"\n'
    line = "[link.square.lines.gate]\nfrom = [0.5, 0.9]\nto = [0.5, 0.1]\n"
    (tmp_path / "site.toml").write_text(SITE.partition("[link")[0] + link + line, "utf-8")
    assert read(tmp_path) == 1
    assert "driver camera cannot be read without a running gateway" in capsys.readouterr().err


def test_other_links_are_left_alone(metered: Path, capsys: Screen) -> None:
    with (metered / "site.toml").open("a", encoding="utf-8") as file:
        file.write(
            '\n[link.attic]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\nport = 9\n'
            '[device.fan]\nlink = "attic"\n[device.fan.points]\nspeed = { addr = 1 }\n'
        )
    assert read(metered, "main-meter.active_power", "--json") == 0
    assert [one["point"] for one in json.loads(capsys.readouterr().out)["readings"]] == [
        "main-meter.active_power"
    ]


def test_a_running_gateway_reads_links_devices_and_points(metered: Path, capsys: Screen) -> None:
    with gateway(metered) as socket:
        for name in ("plant-room", "main-meter", "main-meter.active_power"):
            assert main(["read", name, "--config", str(metered), "--socket", str(socket)]) == 0
            said = capsys.readouterr().out
            assert "through the running gateway" in said
            assert "main-meter.active_power" in said
            assert ("import_energy" in said) is ("." not in name)


def test_values_come_again_and_again_until_somebody_has_seen_enough(
    metered: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def wait(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("agent.cli.read.time.sleep", wait)
    assert read(metered, "main-meter.active_power", "--every", "2s") == 130
    assert pauses == [2.0] * 3
    assert capsys.readouterr().out.count("main-meter.active_power") == 3
