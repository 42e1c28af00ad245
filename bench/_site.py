"""A demo meter and broker for measurements, and a gateway beside them; all on loopback, all ended after."""

from __future__ import annotations

import contextlib
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


@contextlib.contextmanager
def gateway(site: Site) -> Iterator[subprocess.Popen[str]]:
    """Run `citygate run` on *site*."""
    with contextlib.ExitStack() as stack:
        words = ("run", str(site.config), "--state", str(site.state), "--socket", str(site.socket))
        yield start(stack, "agent", *words)


def wait_for(path: Path, seconds: float = 20) -> None:
    """Wait until *path* exists; raise TimeoutError."""
    until = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(path)
        time.sleep(0.02)


def start(stack: contextlib.ExitStack, *words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", *words],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process
