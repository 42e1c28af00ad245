"""`citygate status` reads well and says what to do next."""

from __future__ import annotations

import copy
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main
from agent.cli.status import next_steps

Screen = pytest.CaptureFixture[str]

WELL: dict[str, Any] = {
    "software": "0.1.0",
    "state": "online",
    "sentence": "polling 1/1 devices; uplinks 1/1; queue 0",
    "place": "vaasa/library/gw1",
    "policy": "3b683cb786f6",
    "runs_s": 7300.0,
    "loaded": "2026-11-21T18:00:00Z",
    "fault": "",
    "warnings": [],
    "clock": {"utc": "2026-11-21T20:00:00Z", "synced": True, "waiting": False},
    "lag_ms": 0.4,
    "rss_mb": 31.2,
    "hanging": [],
    "sandbox": {"root": False, "calls_filtered": True, "no_new_privileges": True, "capabilities": False},
    "links": [
        {
            "name": "plant-room", "driver": "modbus-tcp", "state": "running", "why": "", "runs": 1,
            "crashes": 0, "next_try_s": None, "figures": {"rtt_ms": 1.25},
            "devices": [
                {"name": "main-meter", "state": "ok", "for_s": 7200.0, "last_good_s": 0.4, "why": "",
                 "every_s": 1.0, "points": 8, "points_bad": 0},
            ],
        }
    ],
    "products": [{"name": "energy", "points": 2, "records": 16, "last_s": 3.0, "withheld": 0.3}],
    "recipients": [
        {
            "name": "city", "broker": "broker.vaasa.example:8883", "connected": True, "state": "running",
            "why": "", "runs": 1, "crashes": 0, "next_try_s": None, "routes": {"city.energy": "ok"},
            "figures": {}, "queue": {"n": 0, "oldest": None, "bytes": 0, "cap": 512_000_000},
        }
    ],
    "outbox": {"lid": "3f9c0a1b", "epoch": 4, "cap": 512_000_000},
}  # fmt: skip


@contextmanager
def daemon(path: Path, answer: dict[str, Any]) -> Iterator[None]:
    """Answer every question at *path* with *answer*, as the daemon's socket does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            guest, _ = listener.accept()
            with guest:
                guest.makefile().readline()
                guest.sendall(json.dumps(answer).encode() + b"\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join(10)


def changed(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any part of the report
    """Give the good report with some values changed, named by their path with double underscores."""
    report = copy.deepcopy(WELL)
    for path, value in changes.items():
        *way, last = path.split("__")
        part: Any = report
        for step in way:
            part = part[int(step) if step.isdigit() else step]
        part[last] = value
    return report


def test_a_healthy_gateway_is_one_screen_that_ends_with_all_is_well(tmp_path: Path, capsys: Screen) -> None:
    with daemon(tmp_path / "s", WELL):
        assert main(["status", "--socket", str(tmp_path / "s")]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0] == "vaasa/library/gw1  online  citygate 0.1.0, up 2.03 h"
    assert "clock 2026-11-21T20:00:00Z (synchronised)" in said
    assert "energy: ok" in said
    assert "replies in 1.2 ms" in said
    assert said.rstrip().endswith("All is well.")
    assert len(said.splitlines()) < 24
    assert max(map(len, said.splitlines())) <= 130


def test_the_sandbox_is_told(tmp_path: Path, capsys: Screen) -> None:
    open_one = changed(sandbox__root=True, sandbox__calls_filtered=False, links__0__figures__confined="no")
    for report, said in (
        (WELL, "sandbox: no root, system calls filtered"),
        (open_one, "sandbox: runs as root, system calls not filtered, 0 of 1 cameras in the cage"),
    ):
        with daemon(tmp_path / "s", report):
            main(["status", "--socket", str(tmp_path / "s")])
        (tmp_path / "s").unlink()
        assert f"  {said}" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("words", "shown"), [([], 1), (["--all"], 40)])
def test_of_many_devices_only_those_in_trouble_take_a_line(
    tmp_path: Path, capsys: Screen, words: list[str], shown: int
) -> None:
    well = WELL["links"][0]["devices"][0]
    devices = [{**well, "name": f"meter-{number}"} for number in range(39)]
    devices.append({**well, "name": "meter-39", "state": "silent", "why": "no_reply"})
    with daemon(tmp_path / "s", changed(links__0__devices=devices)):
        main(["status", "--socket", str(tmp_path / "s"), *words])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("  meter-") for line in lines) == shown
    assert ("  39 more devices are well; --all shows them" in lines) is not bool(words)
    assert len(lines) < 24 or words


def test_a_screen_of_80_columns_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Screen
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    figures = dict.fromkeys(("requests", "timeouts", "exceptions", "stale_dropped", "rtt_ms"), 12345.5)
    fault = "host 10.20.0.15 has no route; is the cable in? " * 3
    with daemon(tmp_path / "s", changed(links__0__figures=figures, links__0__why=fault)):
        assert main(["status", "--socket", str(tmp_path / "s")]) == 1
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fault": "site.toml:1:1: no"}, "citygate check"),
        ({"links__0__why": "10.0.0.1:502 cannot be reached", "links__0__next_try_s": 8.0}, "next try in 8 s"),
        ({"links__0__devices__0__state": "silent", "links__0__devices__0__why": "no_reply"}, "(no reply)"),
        ({"recipients__0__connected": False, "recipients__0__why": "no route to host"}, "no route to host"),
        ({"recipients__0__routes": {"city.energy": "refused:0x87"}}, "must let us write"),
        ({"recipients__0__routes": {"city.energy": "refused:0x95"}}, "(0x95); its data wait here"),
        ({"recipients__0__routes": {"city.energy": "held"}}, "nobody subscribes"),
        ({"recipients__0__routes": {"city.energy": "expired"}}, "its grant has ended"),
        ({"recipients__0__queue__bytes": 450_000_000}, "nearly full"),
        ({"hanging": ["link plant-room"]}, "link plant-room hangs"),
        (
            {"products__0__withheld": 0.625},
            "energy: 62% of its figures by day were withheld; a longer window",
        ),
        (
            {"outbox__trouble": "database or disk is full"},
            "disk is full; is the disk full or worn out? df -h",
        ),
        (
            {
                "recipients__0__connected": False,
                "recipients__0__why": "is the port right?",
                "recipients__0__next_try_s": 2.0,
            },
            "is the port right? Next try in 2 s",
        ),
        (
            {"links__0__devices__0__state": "faulty", "links__0__devices__0__why": "exception"},
            "does its profile fit? citygate read main-meter",
        ),
        (
            {"links__0__devices__0__state": "silent", "links__0__devices__0__why": "no_connection"},
            "are cable and address right?",
        ),
    ],
)
def test_what_is_wrong_gets_a_next_step(changes: dict[str, Any], said: str) -> None:
    [step] = next_steps(changed(**changes))
    assert said in step


def test_what_a_link_counts_of_its_devices_stands_under_their_table(tmp_path: Path, capsys: Screen) -> None:
    figures = {"rtt_ms": 1.5, "main-meter.at": "10.20.0.15", "main-meter.aborts": 3, "main-meter.trouble": ""}
    with daemon(tmp_path / "s", changed(links__0__figures=figures)):
        assert main(["status", "--socket", str(tmp_path / "s")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  replies in 1.5 ms" in lines
    assert "  main-meter:  at 10.20.0.15  aborts 3" in lines


def test_a_device_that_has_not_answered_yet_is_not_well() -> None:
    link = WELL["links"][0]
    young = {**link["devices"][0], "state": "waiting", "last_good_s": None}
    found = {**WELL, "state": "degraded", "links": [{**link, "devices": [young]}]}
    assert next_steps(found) == ["device main-meter has not answered yet: look again in half a minute"]


def test_the_trouble_of_a_device_is_told_in_its_own_words() -> None:
    trouble = "device 1011 is there twice, at 10.20.0.15 and 10.20.0.16: say which by address"
    [step] = next_steps(
        changed(
            links__0__figures={"main-meter.trouble": trouble},
            links__0__devices__0__state="faulty",
            links__0__devices__0__why="duplicate_instance",
        )
    )
    assert step == f"device main-meter: {trouble}"


KEPT = {"number": 4, "on_trial": None, "trouble": "", "tried": 4, "kept": True, "why": "", "signer": "a"}


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({}, "bundles: 4 is in force"),
        ({"on_trial": 5}, "bundles: 4 is in force; 5 is on trial"),
        ({"number": None, "on_trial": 1}, "bundles: none is in force; 1 is on trial"),
        (
            {"tried": 5, "kept": False, "why": "no answer", "at": "2026-11-21T19:00:00Z"},
            "bundles: 4 is in force; 5, signed by a, was taken back on 2026-11-21T19:00:00Z: no answer",
        ),
        ({"trouble": "number.json cannot be read"}, "bundles: number.json cannot be read"),
    ],
)
def test_a_configuration_from_a_distance_is_told_in_a_line(
    tmp_path: Path, capsys: Screen, told: dict[str, Any], line: str
) -> None:
    with daemon(tmp_path / "s", changed(bundle=KEPT | told)):
        assert main(["status", "--socket", str(tmp_path / "s")]) == 0
    assert line in " ".join(capsys.readouterr().out.split())


def test_a_step_to_take_makes_the_status_1(tmp_path: Path, capsys: Screen) -> None:
    with daemon(tmp_path / "s", changed(fault="x")):
        assert main(["status", "--socket", str(tmp_path / "s"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["next"]


def test_without_a_gateway_it_says_so(tmp_path: Path, capsys: Screen) -> None:
    assert main(["status", "--socket", str(tmp_path / "none")]) == 1
    assert "no gateway is running here" in capsys.readouterr().err


def test_capabilities_that_nobody_needs_are_told(tmp_path: Path, capsys: Screen) -> None:
    with daemon(tmp_path / "s", changed(sandbox__capabilities=True)):
        main(["status", "--socket", str(tmp_path / "s")])
    assert "  sandbox: no root, system calls filtered, has capabilities" in capsys.readouterr().out


def test_a_link_with_many_devices_that_are_all_well_is_one_line(tmp_path: Path, capsys: Screen) -> None:
    well = WELL["links"][0]["devices"][0]
    devices = [{**well, "name": f"meter-{number}"} for number in range(40)]
    with daemon(tmp_path / "s", changed(links__0__devices=devices)):
        assert main(["status", "--socket", str(tmp_path / "s")]) == 0
    said = capsys.readouterr().out
    assert "  40 devices are well; --all shows them\n" in said
    assert "last good" not in said
