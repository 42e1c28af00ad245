"""The line to the process that sees pixels: however it ends, or does not begin, a sentence says so."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import convert

from agent.core.errors import DriverError
from agent.core.scene import Scene
from agent.core.sight import Camera, Watch
from drivers.cameras import line as module
from drivers.cameras.line import Line, _gone, opened

GATE = {"lines": {"gate": {"from": [0.5, 0.9], "to": [0.5, 0.1]}}}


def plan(cameras: int = 1, name: str = "square") -> Watch:
    scene = convert(GATE, Scene)
    many = tuple(Camera(name=f"{name}{n}", source="file:/x", model="m", scene=scene) for n in range(cameras))
    return Watch(cameras=many, width=300, offset=0.0)


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Stand where the unit listens."""
    monkeypatch.setenv("CITYGATE_VISION_SOCKET", str(tmp_path / "vision.sock"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(tmp_path / "vision.sock"))
        yield listening


async def child(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*words)


async def test_a_unit_that_nobody_serves_is_named(unit: socket.socket) -> None:
    with pytest.raises(DriverError, match=r"vision\.sock cannot be reached: Connection refused") as caught:
        async with opened(plan(), unconfined=False):
            pass
    assert caught.value.patience


async def test_a_unit_that_hangs_up_before_the_plan_takes_none(
    unit: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    del unit

    async def reached(_: Path) -> socket.socket:
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        one.setblocking(False)
        other.close()
        return one

    monkeypatch.setattr(module, "_reached", reached)
    with pytest.raises(DriverError, match="citygate-vision takes no plan: Broken pipe"):
        async with opened(plan(), unconfined=False):
            pass


async def test_a_plan_that_is_too_long_is_not_sent(unit: socket.socket) -> None:
    del unit
    with pytest.raises(DriverError, match=r"what is drawn takes \d+ bytes, and 131072 may be sent"):
        async with opened(plan(64, "x" * 3000), unconfined=False):
            pass


async def test_a_unit_that_ends_in_the_middle_is_told_with_where_to_look() -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    near.send(b"a plan that it never read")
    far.close()  # which resets the line
    with near, pytest.raises(DriverError, match="`journalctl -u citygate-vision` says why"):
        await Line(near, None).hear()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("false",), "has ended with status 1; its own words stand above in the log"),
        (("sleep", "60"), "has closed its line, and does not end"),
    ],
)
async def test_a_child_that_speaks_no_more_is_told_by_how_it_ended(
    words: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    far.close()
    process = await child(*words)
    if words[0] == "sleep":
        monkeypatch.setattr(module, "_PATIENCE", 0.05)
    with near, pytest.raises(DriverError, match=says):
        await Line(near, process).hear()
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    await _gone(process)  # insists, where that is needed
    assert process.returncode == (1 if words[0] == "false" else -9)


async def test_a_program_that_is_not_installed_or_cannot_be_started_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYGATE_VISION_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(DriverError, match=r"not installed: install citygate with its extra \[vision\]"):
        async with opened(plan(), unconfined=False):
            pass
    (tmp_path / "citygate-vision").write_text("no program", "utf-8")
    (tmp_path / "citygate-vision").chmod(0o755)
    with pytest.raises(DriverError, match="citygate-vision cannot be started: Exec format error"):
        async with opened(plan(), unconfined=False):
            pass
