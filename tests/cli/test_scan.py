"""citygate scan: what stands on which output, what the tables are worth, and how it is interrupted."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import Meta

from agent.cli.lent import _files
from agent.cli.main import main, parser_of
from agent.cli.progress import ProgressBar
from agent.cli.proposal import proposals, text_of
from agent.cli.search_words import _taken_apart
from agent.config.load import load
from agent.core.driver import LinkSettings
from agent.core.errors import DriverError
from agent.core.search import Found, Progress
from tests.cli.conftest import SITE, lay
from tests.peers import libmodbus
from tests.peers.serial_line import serial_line, slave

HERE = [sys.executable, "-P", "-m", "agent"]
Screen = pytest.CaptureFixture[str]
_PLACE = SITE.partition("[link")[0]


@pytest.fixture
def meter() -> Iterator[libmodbus.LibmodbusServer]:
    """Give a gateway with units 3 (an EM24) and 7 (nobody knows what)."""
    with libmodbus.serve() as server:
        server.mute(*(unit for unit in range(256) if unit not in (3, 7)))
        server.set("input", 0x0B, [1648], unit=3)
        yield server


def scan(folder: Path, *words: str) -> int:
    return main(["scan", *words, "--config", str(folder), "--socket", str(folder / "none.sock")])


def test_the_tables_stand_alone_on_the_output_and_pass_check(
    meter: libmodbus.LibmodbusServer, tmp_path: Path, capfd: Screen
) -> None:
    assert scan(tmp_path, "modbus", f"127.0.0.1:{meter.port}", "--units", "1-8", "--wait", "20ms") == 0
    said, told = capfd.readouterr()
    (tmp_path / "site.toml").write_text(_PLACE + said, encoding="utf-8")
    plan = load(tmp_path)
    [link] = plan.links
    assert isinstance(link.driver, LinkSettings)
    assert [(one.name, one.unit) for one in link.driver.devices] == [("em24-ethernet-3", 3), ("unit-7", 7)]
    assert main(["check", str(tmp_path)]) == 0
    assert f"looking at 127.0.0.1:{meter.port}: about 1 s at most" in told
    assert f"found 127.0.0.1:{meter.port} unit 3: Carlo Gavazzi EM24" in told
    assert "next: put it into a site file" in told


def test_a_file_is_written_once_and_never_again(
    meter: libmodbus.LibmodbusServer, tmp_path: Path, capfd: Screen
) -> None:
    file = tmp_path / "found.toml"
    words = ("modbus", f"127.0.0.1:{meter.port}", "--units", "3", "--wait", "20ms", "--out", str(file))
    assert scan(tmp_path, *words) == 0
    said = capfd.readouterr().out
    assert "em24-ethernet-3" in said
    assert "[device" not in said
    assert tomllib.loads(file.read_text())["device"]["em24-ethernet-3"]["unit"] == 3
    before = file.read_text()
    meter.requests()
    assert scan(tmp_path, *words) == 2
    assert "is there already, and nothing is overwritten" in capfd.readouterr().err
    assert (file.read_text(), meter.requests()) == (before, [])


def test_a_script_gets_json(meter: libmodbus.LibmodbusServer, tmp_path: Path, capfd: Screen) -> None:
    words = ("modbus", f"127.0.0.1:{meter.port}", "127.0.0.1:9", "--units", "3", "--wait", "20ms", "--json")
    assert scan(tmp_path, *words) == 0
    told = json.loads(capfd.readouterr().out)
    [found], [missed] = told["found"], told["missed"]
    assert (told["complete"], found["device"], missed["address"]) == (True, "em24-ethernet-3", "127.0.0.1:9")
    assert tomllib.loads(found["toml"])


def test_what_the_site_has_already_is_not_proposed_again(
    meter: libmodbus.LibmodbusServer, tmp_path: Path, capfd: Screen
) -> None:
    lay(tmp_path, meter.port)
    text = (tmp_path / "site.toml").read_text()
    (tmp_path / "site.toml").write_text(text.replace("unit = 1\n", "unit = 3\n"))
    assert scan(tmp_path, "modbus", f"127.0.0.1:{meter.port}", "--units", "3,7", "--wait", "20ms") == 0
    said = capfd.readouterr().out
    assert "it is device main-meter of link plant-room" in said
    assert tomllib.loads(said) == {"device": {"unit-7": {"link": "plant-room", "unit": 7}}}


def test_nothing_found_is_1_and_said(tmp_path: Path, capfd: Screen) -> None:
    assert scan(tmp_path, "modbus", "127.0.0.1:9") == 1
    said, told = capfd.readouterr()
    assert not said
    assert "127.0.0.1:9: no connection to 127.0.0.1 port 9" in told
    assert "nothing was found" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("modbus", "TARGET is missing"),
        ("modbsu 10.0.0.1", 'did you mean "modbus"?'),
        ("modbus 10.0.0.0/8", "name the part in which the devices are, such as 10.0.0.0/24"),
        ("modbus 10.0.0.1 --at-once 0", "--at-once: expected int >= 1"),
        ("modbus 10.0.0.1 --at-once few", '--at-once: "few" is no whole number'),
        ("modbus 10.0.0.1 --wait 2", "--wait: expected a duration"),
        ("modbus 10.0.0.1 --over upd", '"upd" is none of tcp, rtu, tls'),
        ("serial ttyUSB0", '"ttyUSB0" is no serial port'),
    ],
)
def test_a_wrong_word_is_one_sentence_and_2(words: str, said: str, tmp_path: Path, capfd: Screen) -> None:
    assert scan(tmp_path, *words.split()) == 2
    error = capfd.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_an_interrupted_search_gives_what_it_found_so_far(
    meter: libmodbus.LibmodbusServer, tmp_path: Path
) -> None:
    words = ["scan", "modbus", f"127.0.0.1:{meter.port}", "--wait", "300ms", "--config", str(tmp_path)]
    with subprocess.Popen(
        [*HERE, *words, "--socket", str(tmp_path / "none.sock"), "--units", "3,9-200"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        while "found" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said, told = process.communicate(timeout=10)
    assert process.returncode == 130
    assert tomllib.loads(said)["device"]["em24-ethernet-3"]["unit"] == 3
    assert "interrupted: this is what was found so far" in told
    assert "Traceback" not in told


@contextmanager
def gateway(site: Path) -> Iterator[Path]:
    """Run the gateway of *site*; give its socket."""
    socket = site / "control.sock"
    words = ["run", str(site), "--state", str(site / "state"), "--socket", str(socket)]
    with subprocess.Popen([*HERE, *words], stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 15
        while not socket.exists():
            assert time.monotonic() < until, "the gateway did not start"
            time.sleep(0.02)
        try:
            yield socket
        finally:
            process.terminate()
            process.wait(20)


def test_what_a_running_gateway_holds_is_searched_through_its_one_connection(
    meter: libmodbus.LibmodbusServer, tmp_path: Path, capfd: Screen
) -> None:
    site = lay(tmp_path / "site", meter.port)
    text = (site / "site.toml").read_text()
    (site / "site.toml").write_text(text.replace("unit = 1\n", "unit = 3\n"))
    with gateway(site) as socket, libmodbus.serve() as other:
        ports = [f"127.0.0.1:{one.port}" for one in (meter, other)]
        words = ["scan", "modbus", *ports, "--units", "3,7", "--wait", "50ms"]
        assert main([*words, "--config", str(site), "--socket", str(socket)]) == 0
        ever, _ = meter.connections()
        asked = meter.requests()
        assert other.connections()[0] == 1  # what the gateway does not hold is asked directly
    said = capfd.readouterr().out
    assert ever == 1
    assert {one[0] for one in asked} == {3, 7, 251, 253}
    assert "it is device main-meter of link plant-room" in said
    devices = tomllib.loads(said)["device"]
    assert devices["unit-7"] == {"link": "plant-room", "unit": 7}
    assert [one["link"] for one in devices.values() if one["unit"] == 3] == ["modbus-127-0-0-1"]


def test_a_serial_port_that_a_running_gateway_holds_is_searched_through_it(
    tmp_path: Path, capfd: Screen
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    with serial_line(tmp_path) as line, slave(line.theirs, 7):
        text = f'[link.bus]\ndriver = "modbus-rtu"\npath = "{line.ours}"\nlisten = "100ms"\n[device.fan]\n'
        points = 'unit = 7\nlink = "bus"\nevery = "1s"\n[device.fan.points]\nspeed = { addr = 5 }\n'
        (site / "site.toml").write_text(_PLACE + text + points, encoding="utf-8")
        with gateway(site) as socket:
            words = ["scan", "serial", str(line.ours), "--units", "7", "--config", str(site)]
            assert main([*words, "--socket", str(socket), "--wait", "600ms"]) == 0
    said, told = capfd.readouterr()
    assert "it is device fan of link bus" in said
    assert "in use by another program" not in told


def test_names_are_free_and_equal_links_share_a_table(site: Path) -> None:
    line = {"driver": "modbus-tcp", "host": "10.0.0.7"}
    meters = [
        Found(
            address=f"unit {n}",
            what="x",
            link=line,
            link_name=name,
            device={"unit": n},
            device_name="main-meter",
        )
        for n, name in ((1, "Plant Room!"), (2, "other"))
    ]
    evil = Found(
        address="c", what="z\n[evil]", link={"driver": "modbus-tcp", "host": "h"}, note="see \x1b[1m"
    )
    found = [*meters, evil]
    proposed = proposals(found, load(site))
    assert [(one.link, one.device) for one in proposed] == [
        ("plant-room-2", "main-meter-2"),
        ("plant-room-2", "main-meter-3"),
        ("link", ""),
    ]
    (site / "found.toml").write_text(text_of(proposed))
    assert {link.name for link in load(site).links} == {"plant-room", "plant-room-2", "link"}


def test_values_are_written_so_that_they_read_back_as_they_were() -> None:
    keys = {"a": 'q"\\\t\x7fö', "b": [1, 2.5, True], "c": {"d e": {}, "f": {"g": "h"}}}
    [one] = proposals([Found(address="x", what="y", link=keys, link_name="l")], None)
    assert tomllib.loads(one.toml)["link"]["l"] == keys


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    out, now = Terminal(), 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    bar = ProgressBar(out)
    for done in range(5):
        now = float(done)
        bar.show(Progress(done=done, of=4, what="unit 1\x1b[2J", seconds_left=80.0))
        if done == 2:
            bar.say("found something")
    bar.end()
    text = out.getvalue()
    assert text.startswith("looking at unit 1\N{REPLACEMENT CHARACTER}[2J: about 80 s at most\n")
    assert "[##########          ]  50%, about 80 s left" in text
    assert "found something\n" in text
    assert text.endswith(" \r")
    assert "\x1b" not in text


def test_a_file_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    out, now = io.StringIO(), 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    bar = ProgressBar(out)
    for done in range(60):
        now = float(done)
        bar.show(Progress(done=done, of=60, what="unit", seconds_left=60.0 - done))
    bar.end()
    assert out.getvalue().count("\n") == 6
    assert "\r" not in out.getvalue()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_words_and_their_options(shell: str, capsys: Screen) -> None:
    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    for word in ("modbus", "serial", "thorough", "listen"):
        assert word in said


def test_each_search_explains_itself_with_examples() -> None:
    ways = parser_of("scan")[1]._subparsers
    assert ways is not None
    for word, parser in ways._group_actions[0].choices.items():  # type: ignore[union-attr]  # a mapping here
        assert f"citygate scan {word}" in parser.format_help()


def test_what_is_done_without_a_measure_is_named_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    bar = ProgressBar(out)
    bar.show(Progress(done=0, of=0, what="listening"))
    bar.end()
    assert out.getvalue().startswith("listening ...")


def test_what_cannot_be_a_device_is_told_and_not_proposed(site: Path) -> None:
    here = load(site).links[0]
    assert isinstance(here.driver, LinkSettings)
    line = {"driver": "modbus-tcp", "host": here.driver.host, "port": here.driver.port}  # type: ignore[attr-defined]
    only = Found(address="10.0.0.7", what="something that answers")
    known = Found(address="127.0.0.1", what="the link itself", link=line)
    odd = Found(address="y", what="z", link={"driver": "modbus-tcp", "host": 7}, link_name="odd")
    meter = Found(
        address="127.0.0.1 unit 9", what="a meter", link=line, device_name="new",
        device={"unit": 9, "points": {"power": {"addr": 1}}},
    )  # fmt: skip
    told = proposals([only, known, odd, meter], load(site))
    assert [(one.link, one.device, one.known) for one in told] == [
        ("", "", False), ("plant-room", "plant-room", True), ("odd", "", False), ("plant-room", "new", False),
    ]  # fmt: skip
    assert told[0].toml == "# 10.0.0.7: something that answers\n"
    assert tomllib.loads(told[3].toml)["device"]["new"]["points"] == {"power": {"addr": 1}}


def test_what_was_found_before_a_search_failed_is_given_all_the_same(
    tmp_path: Path, capfd: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def searched(search: object, args: object, tell: Callable[[object], None]) -> bool:
        del search, args
        tell(Found(address="10.0.0.7", what="a meter", link={"driver": "modbus-tcp", "host": "10.0.0.7"}))
        raise DriverError("the network has gone")

    monkeypatch.setattr("agent.cli.scan._searched", searched)
    assert scan(tmp_path, "modbus", "10.0.0.7") == 1
    said, told = capfd.readouterr()
    assert tomllib.loads(said)["link"]
    assert "the network has gone" in told


def test_what_is_shipped_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text("a = 1\n")
    (tmp_path / "bad.toml").write_text("a = \n")
    (tmp_path / "odd.toml").mkdir()
    assert _files(tmp_path) == {"good": {"a": 1}}
    assert _files(tmp_path / "none") == {}


def test_an_option_without_a_word_about_it_is_an_option_all_the_same() -> None:
    assert _taken_apart(int) == (int, Meta())
    assert _taken_apart(int | None) == (int, Meta())
