"""The demo as a whole: it ends all that it started, and does not call success what it has not seen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers import need

PROGRAMS = ("agent.demo.meter", "agent.demo.broker", "agent.demo.city", "agent run")  # they name its folder

PLAIN = ("--no-camera",)  # nothing is fetched
CACHE = Path(__file__).parents[2] / "build" / "demo"


@contextmanager
def demo(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run the demo in a group of processes of its own, as a terminal would."""
    command = [sys.executable, "-P", "-m", "agent", "demo", "--folder", str(folder), *(words or PLAIN)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def running(folder: Path) -> list[str]:
    """List the processes whose command line names *folder*."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words and place.parent.name != str(os.getpid()):
            found.append(words)
    return found


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    pytest.fail(f"the demo never said {text!r}:\n{said}")


def test_ctrl_c_ends_every_process_and_is_no_failure(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        said = read_until(process, "To look further")
        assert "main-meter.active_power " in said
        programs = running(tmp_path)
        assert all(any(name in words for words in programs) for name in PROGRAMS)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 0
    assert running(tmp_path) == []
    assert (tmp_path / "gateway.log").read_text().count("Traceback") == 0


def test_a_demo_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        read_until(process, "city      gets")
        process.kill()
        process.wait(20)
    deadline = time.monotonic() + 20
    while left := running(tmp_path):  # the kernel tells the children, in its own time
        assert time.monotonic() < deadline, left
        os.sched_yield()


def test_too_short_a_demo_fails_and_says_what_was_missing(tmp_path: Path) -> None:
    with demo(tmp_path, "--seconds", "3", *PLAIN) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait(20) == 1
    assert "Missing:" in said
    for product in ("energy", "air"):
        assert f"consecutive messages of {product} agree with the truth, 3 are needed" in said


def test_without_npm_the_demo_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with demo(tmp_path, "--seconds", "60", "--cache", str(tmp_path / "cache")) as process:
        said = read_until(process, "To look further")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert "The demo goes on without its camera: npm is not installed" in said
    assert "main-meter.active_power " in said
    assert "street." not in said


@pytest.mark.long
def test_the_demo_sees_what_left_agree_with_the_devices(tmp_path: Path) -> None:
    need("npm")
    with demo(tmp_path, "--seconds", "45", "--cache", str(CACHE)) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait(20) == 0, said
    assert "2 to the right (truth 2), suppressed to the left agrees" in " ".join(said.split())
    assert "No picture is in the" in said
    served = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert len(served) > 30
    assert "byte for byte" in said
