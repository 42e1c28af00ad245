"""`citygate uplink test` goes the way of a message, and says where it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli.main import main
from tests.peers import mosquitto as peer
from tests.peers.mosquitto import free_port

Screen = pytest.CaptureFixture[str]


def move(site: Path, port: int, more: str = "") -> None:
    """Point the recipient to a port of this computer."""
    path = site / "sharing.toml"
    old = 'broker = "mqtts://broker.vaasa.example:8883"'
    path.write_text(path.read_text().replace(old, f'broker = "mqtt://127.0.0.1:{port}"\n{more}'))


def test_it_goes_all_the_way_and_doubts_where_nobody_listens(
    site: Path, tmp_path: Path, capsys: Screen
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    with peer.mosquitto(folder) as broker:
        move(site, broker.port)
        assert main(["uplink", "test", "city", "--config", str(site)]) == 0
        said = capsys.readouterr().out
        assert "citygate/1/vaasa/library/gw1/d/energy" in said
        assert "taken, but nobody listens" in said
        assert "But see: somebody must subscribe" in said


def test_where_it_stops_the_status_is_1_and_the_last_line_says_what_to_do(site: Path, capsys: Screen) -> None:
    move(site, free_port())
    assert main(["uplink", "test", "city", "--config", str(site), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in found] == ["passes", "stops"]
    assert found[-1]["act"]


def test_an_unknown_recipient_is_named_beside_the_known(site: Path, capsys: Screen) -> None:
    assert main(["uplink", "test", "cty", "--config", str(site)]) == 2
    assert 'no recipient is called "cty"; known: city' in capsys.readouterr().err


def test_where_the_recipient_may_ask_the_topics_of_that_are_tried_too(
    site: Path, tmp_path: Path, capsys: Screen
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    root = "citygate/1/vaasa/library/gw1"
    with peer.mosquitto(folder) as broker:
        move(site, broker.port, 'commands = ["replay", "rebirth"]\n')
        assert main(["uplink", "test", "city", "--config", str(site), "--json"]) == 0
        found = {one["step"].removeprefix(f"{root}/"): one for one in json.loads(capsys.readouterr().out)}
    assert found["r"]["verdict"] == found["r/energy"]["verdict"] == "doubtful"
    assert found["c/replay"]["verdict"] == found["c/rebirth"]["verdict"] == "passes"


def test_of_a_platform_with_topics_of_its_own_none_is_tried(
    site: Path, tmp_path: Path, capsys: Screen
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    with peer.mosquitto(folder) as broker:
        move(site, broker.port, 'encoding = "senml"\n')
        assert main(["uplink", "test", "city", "--config", str(site), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
    assert [one["step"] for one in found] == ["name", "connection", "welcome", "energy"]
    assert found[-1]["says"] == "not tried: an empty message may confuse a platform that expects senml"
    move(site, free_port())
    path = site / "sharing.toml"
    path.write_text(path.read_text().replace(str(broker.port), str(free_port())))
    assert main(["uplink", "test", "city", "--config", str(site), "--json"]) == 1
    assert [one["step"] for one in json.loads(capsys.readouterr().out)][-1] == "connection"
