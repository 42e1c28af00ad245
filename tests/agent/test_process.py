"""The daemon as a process of its own: what the service manager sees from start to end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent import app, journal
from agent.core.errors import ConfigError, GatewayError
from agent.core.message import Message
from agent.core.plan import Plan
from agent.outbox.row import Draft
from agent.outbox.store import Store
from agent.outbox.work import Work
from agent.status import ask

SITE = """
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
profile = "eastron/sdm630"
every = "10s"

[clock]
wait = "0s"
"""

SHARING = """
[owner]
name = "City of Vaasa"
contact = "data@vaasa.example"

[product.energy]
from = ["main-meter.active_power"]
window = "1m"
statistics = ["mean"]

[recipient.city]
broker = "mqtt://127.0.0.1:{port}"

[grant.city-operations]
recipient = "city"
products = ["energy"]
purpose = "operations"
basis = "public-task"
keep = "400d"
"""


class Machine:
    """A folder with a site, and the service manager's end of the notification socket."""

    def __init__(self, folder: Path, closed_port: int) -> None:
        self.folder = folder
        self.port = closed_port
        self.config = folder / "config"
        self.config.mkdir()
        self.write(SITE)
        (self.config / "sharing.toml").write_text(SHARING.format(port=closed_port))
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(folder / "notify"))
        self.manager.settimeout(30)
        self.socket = folder / "run" / "control.sock"
        self.started: list[subprocess.Popen[str]] = []

    def write(self, text: str) -> None:
        """Write the site's file."""
        (self.config / "site.toml").write_text(text.format(port=self.port))

    def start(self) -> subprocess.Popen[str]:
        """Start the daemon."""
        state = self.folder / "state"
        words = ["run", str(self.config), "--state", str(state), "--socket", str(self.socket)]
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "agent", *words],
            env={**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": "4000000"},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def hear(self, wanted: str) -> dict[str, str]:
        """Wait until the daemon says *wanted* and give all that it said with it."""
        while True:
            words = dict(line.split("=", 1) for line in self.manager.recv(4096).decode().splitlines())
            if wanted in words:
                return words

    def close(self) -> None:
        """End what still runs."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=30)
        self.manager.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Give a machine on which neither meter nor broker answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        machine = Machine(tmp_path, held.getsockname()[1])
        yield machine
        machine.close()


def test_a_damaged_outbox_is_salvaged_however_long_it_takes(machine: Machine) -> None:
    """A card needs minutes for hundreds of megabytes; a start that is given up would begin anew for ever."""
    outbox = machine.folder / "state" / "outbox.db"
    outbox.parent.mkdir()
    with closing(Store(outbox, 1 << 20)) as store:
        store.lock()
        store.open(lambda: "00000001")
        message = Message(topic="d/energy", body=b"{}", kind="batch")
        draft = Draft(route=1, epoch=1, seq=1, message=message, policy="p", made=1.0, boot=1.0, expires=2.0)
        store.commit(Work(rows=(draft,), routes={1: "city.energy.city-operations"}))
        store.damage_mark.write_text("found")
    machine.start()
    assert machine.hear("EXTEND_TIMEOUT_USEC")  # for any start
    assert int(machine.hear("EXTEND_TIMEOUT_USEC")["EXTEND_TIMEOUT_USEC"]) == 90_000_000
    assert machine.hear("STATUS")["STATUS"] == "saving what a damaged outbox holds: 0% looked at"
    machine.hear("READY")


def test_start_reload_and_stop_as_the_service_manager_sees_them(machine: Machine) -> None:
    process = machine.start()
    assert "polling 0/1 devices" in machine.hear("READY")["STATUS"]
    machine.hear("WATCHDOG")
    status = ask(machine.socket, {"ask": "status"})
    assert status["place"] == "vaasa/library/gw1"

    machine.write(SITE.replace("modbus-tcp", "modbus-tpc"))
    process.send_signal(signal.SIGHUP)
    assert "MONOTONIC_USEC" in machine.hear("RELOADING")
    assert machine.hear("READY")["STATUS"].startswith("the new configuration has faults")
    assert 'did you mean "modbus-tcp"' in ask(machine.socket, {"ask": "status"})["fault"]

    machine.write(SITE)
    process.send_signal(signal.SIGHUP)
    machine.hear("RELOADING")
    assert machine.hear("READY")["STATUS"].startswith("polling 0/1 devices")

    process.send_signal(signal.SIGTERM)
    machine.hear("STOPPING")
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert "reloaded: nothing changed" in told
    assert not machine.socket.exists()


def test_a_faulty_configuration_is_reported_and_ends_with_status_2(machine: Machine) -> None:
    machine.write(SITE.replace("eastron/sdm630", "eastron/sdm631"))
    process = machine.start()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "site.toml:" in told
    assert 'did you mean "eastron/sdm630"' in told
    with pytest.raises(GatewayError, match="no gateway is running here"):
        ask(machine.socket, {"ask": "ping"})


def test_a_second_gateway_on_the_same_folder_ends_with_a_sentence(machine: Machine) -> None:
    machine.start()
    machine.hear("READY")
    _, told = (second := machine.start()).communicate(timeout=30)
    assert second.returncode == 1
    assert "another gateway uses" in told
    assert "Traceback" not in told
    assert ask(machine.socket, {"ask": "ping"})


def test_ctrl_c_ends_the_gateway_in_order(machine: Machine) -> None:
    process = machine.start()
    machine.hear("READY")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert "Traceback" not in told
    assert "did not stop" not in told, told


def test_an_idle_gateway_is_small(machine: Machine) -> None:
    machine.start()
    machine.hear("READY")
    machine.hear("WATCHDOG")
    assert ask(machine.socket, {"ask": "status"})["rss_mb"] < 60


async def test_signals_while_the_files_are_read_do_not_end_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(folder: Path) -> Plan:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        raise ConfigError(f"{folder} is empty")

    monkeypatch.setattr(app, "load", load)
    monkeypatch.setattr(journal, "set_up", lambda: None)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # so that a failure does not end the tests
    try:
        assert await app.run(tmp_path, state=tmp_path, socket=tmp_path / "s") == 2
    finally:
        signal.signal(signal.SIGHUP, before)
