"""A demo meter and broker for measurements, and a gateway beside them; all on loopback, all ended after."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agent.demo.broker import free_port
from agent.demo.site import Site, lay


@contextlib.contextmanager
def peers() -> Iterator[tuple[Site, int]]:
    """Run the demo's meter and broker; give the site laid for them and the broker's port."""
    with tempfile.TemporaryDirectory(prefix="citygate-bench-") as name, contextlib.ExitStack() as stack:
        room = Path(name)
        meter = start(stack, "agent.demo.meter", "--truth", str(room / "truth.jsonl"))
        assert meter.stdout is not None
        port = free_port()
        start(stack, "agent.demo.broker", "--port", str(port), "--settings", str(room / "broker.toml"))
        yield lay(room, meter=int(meter.stdout.readline().split()[1]), broker=port), port


def as_installed(compiled: Path) -> dict[str, str]:
    """Give an environment in which modules are compiled once, into *compiled*, as on a real gateway."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(compiled)}


def warm(site: Site) -> None:
    """Let a first gateway compile all modules, and end it."""
    with gateway(site):
        wait_for(site.socket)
        time.sleep(3)


@contextlib.contextmanager
def gateway(site: Site) -> Iterator[subprocess.Popen[str]]:
    """Run `citygate run` on *site*."""
    with contextlib.ExitStack() as stack:
        words = ("run", str(site.config), "--state", str(site.state), "--socket", str(site.socket))
        yield start(stack, "agent", *words, environment=as_installed(site.folder / "compiled"))


def wait_for(path: Path, seconds: float = 20) -> None:
    """Wait until *path* exists; raise TimeoutError."""
    until = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(path)
        time.sleep(0.02)


def start(
    stack: contextlib.ExitStack, *words: str, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", *words],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=environment,
    )  # fmt: skip
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process
