"""The service manager hears the words of sd_notify(3), over files and abstract sockets alike."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.notify import Notifier


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """Give a manager's end of the notification socket and its address."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.settimeout(5)
    if request.param == "file":
        address = str(tmp_path / "notify")
        listener.bind(address)
    else:
        address = f"@citygate-test-{os.getpid()}-{tmp_path.name}"
        listener.bind("\0" + address[1:])
    yield listener, address
    listener.close()


def _heard(listener: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in listener.recv(4096).decode().splitlines())


def test_the_manager_hears_every_word(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready("polling 2/2 devices")
    assert _heard(listener) == {"READY": "1", "STATUS": "polling 2/2 devices"}
    notifier.watchdog()
    assert _heard(listener) == {"WATCHDOG": "1"}
    notifier.extend(1.5)
    assert _heard(listener) == {"EXTEND_TIMEOUT_USEC": "1500000"}
    notifier.stopping("handing over")
    assert _heard(listener) == {"STOPPING": "1", "STATUS": "handing over"}
    notifier.close()


def test_a_reload_carries_the_monotonic_time(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    heard = _heard(listener)
    assert heard["RELOADING"] == "1"
    assert before <= int(heard["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    notifier.close()


def test_a_status_is_one_line_and_told_when_it_changes(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.status("uplink city ok\nREADY=1")
    notifier.status("uplink city ok\nREADY=1")
    notifier.status("uplink city away")
    assert _heard(listener) == {"STATUS": "uplink city ok READY=1"}
    assert _heard(listener) == {"STATUS": "uplink city away"}
    notifier.close()


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "/nowhere/notify"])
def test_without_a_manager_nothing_happens(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address} if address else {})
    notifier.ready("all is well")
    notifier.close()


def test_a_manager_that_went_away_is_told_of_once(
    manager: tuple[socket.socket, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    listener, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    listener.close()
    notifier.watchdog()
    notifier.watchdog()
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("environment", "period"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_the_watchdog_is_fed_only_where_it_wants_this_process(
    environment: dict[str, str], period: float
) -> None:
    assert Notifier(environment).watchdog_period == period
