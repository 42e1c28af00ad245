"""The two lines out of the process that sees pixels: what the agent does on them, and what it does not do."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import json

from agent.core.errors import GatewayError
from agent.core.sight import NEWS_BURST, RECORD, Sight, Watch, What
from pipelines.vision import wire as module
from pipelines.vision.wire import Bulletin, HungUpError, Manager, Wire
from tests.pipelines.vision.watched import camera

# the process ends with its lines, and so never closes those that failed
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

PLAN = json.encode(Watch(cameras=(camera("file:/x", Path("m")),), width=300, offset=0.0))


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        yield near, far


def wire(far: socket.socket) -> Wire:
    return Wire(os.dup(far.fileno()))


def test_a_plan_comes_over_a_socket_that_is_handed_over_and_over_one_that_listens(tmp_path: Path) -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    agent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far, listening, agent:
        near.send(PLAN)
        one = wire(far)
        assert one.watch.width == 300
        one.close()
        listening.bind(str(tmp_path / "socket"))
        listening.listen()
        agent.connect(str(tmp_path / "socket"))
        agent.send(PLAN)
        other = wire(listening)
        other.tell(What.READY, 7)
        assert RECORD.unpack(agent.recv(64))[5] == 7
        other.close()


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        (b"{", "the plan is not one of this version"),
        (b'{"cameras": 3}', "the plan is not one of this version"),
        (b"", "the plan is not one of this version"),
        (None, r"no plan came within 0 s"),
    ],
)
def test_without_a_plan_it_says_why_it_ends(
    ends: tuple[socket.socket, socket.socket],
    packet: bytes | None,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.02)
    if packet:
        ends[0].send(packet)
    elif packet is not None:
        ends[0].shutdown(socket.SHUT_WR)
    with pytest.raises(GatewayError, match=says):
        wire(ends[1])


def test_a_handle_that_is_no_socket_is_no_line_to_the_agent(tmp_path: Path) -> None:
    file = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
    with pytest.raises(GatewayError, match="no plan can be had"):
        Wire(file)
    os.close(file)
    with pytest.raises(GatewayError, match="no plan can be had: Bad file descriptor"):
        Wire(file)


def test_an_agent_that_is_gone_or_reads_nothing_any_more_has_hung_up(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STALLED", 0.02)
    near, far = ends
    near.send(PLAN)
    one = wire(far)
    one.listen()
    with pytest.raises(HungUpError):
        one.numbers(range(100_000), 0, 0)
    near.close()
    with pytest.raises(HungUpError):
        one.tell(What.READY, 1)
    with pytest.raises(HungUpError):
        one.listen()
    one.close()


def test_a_camera_that_flickers_tells_no_more_than_was_agreed(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    near, far = ends
    near.send(PLAN)
    one, news = wire(far), Bulletin(0)
    for number in range(1000):
        news.post(Sight.OK if number % 2 else Sight.DARK, number / 1000, one)
    one.close()
    far.close()
    told = 0
    while near.recv(64):
        told += 1
    assert told == NEWS_BURST


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_service_manager_hears_a_word_until_it_is_gone(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"citygate-test-{os.getpid()}"
    place = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", place if kind == "path" else f"@{name}")
    Manager().tell("nobody is there yet, which is no trouble")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.bind(place if kind == "path" else f"\0{name}")
        hearing.settimeout(5)
        manager = Manager()
        manager.tell("READY=1")
        assert hearing.recv(64) == b"READY=1"
    manager.tell("WATCHDOG=1")
    manager.tell("WATCHDOG=1")


def test_without_a_service_manager_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    before = sorted(Path("/proc/self/fd").iterdir())
    manager = Manager()
    manager.tell("READY=1")
    assert sorted(Path("/proc/self/fd").iterdir()) == before, "nothing was opened"
