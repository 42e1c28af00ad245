"""A real daemon on a made-up site with many one-second products, for tests that hurt it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from tests.faults.journal import Journal, stream_of

SITE = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"

[clock]
wait = "0s"

[link.plant]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {meter}

[device.meter]
link = "plant"
unit = 1
every = "500ms"

[device.meter.points]
{points}
"""
SHARING = """
[owner]
name = "City of Vaasa"
contact = "data@vaasa.example"

[recipient.city]
broker = "mqtt://127.0.0.1:{broker}"
rate = 0

[grant.all]
recipient = "city"
products = [{names}]
purpose = "operations"
basis = "public-task"
keep = "30d"
"""
PRODUCT = """
[product.p{n}]
from = ["meter.p{n}"]
window = "1s"
late = "100ms"
statistics = ["last"]
"""


def write_site(folder: Path, *, meter: int, broker: int, products: int) -> Path:
    """Write the configuration into *folder* and give it."""
    folder.mkdir()
    points = "\n".join(f'p{n} = {{ table = "input", addr = {n} }}' for n in range(products))
    names = ", ".join(f'"p{n}"' for n in range(products))
    (folder / "site.toml").write_text(SITE.format(meter=meter, points=points))
    text = SHARING.format(broker=broker, names=names)
    (folder / "sharing.toml").write_text(text + "".join(PRODUCT.format(n=n) for n in range(products)))
    return folder


class Daemon:
    """``citygate run`` as a process of its own, which may be killed and started again."""

    def __init__(
        self, folder: Path, config: Path, *, state: Path | None = None, journal: Journal | None = None
    ) -> None:
        self.state = state or folder / "state"
        self.state.mkdir()
        self.log = folder / "daemon.log"
        self.socket = folder / "control.sock"
        self.before: list[str] = []
        """Words before its command, such as those of strace."""
        self.environment: dict[str, str] = {}
        """Variables that it has besides."""
        self._out: IO[bytes] = self.log.open("ab")
        words = ["run", str(config), "--state", str(self.state), "--socket", str(self.socket)]
        self._command = [sys.executable, "-P", "-m", "agent", *words]
        if journal is not None:
            self._command = journal.command(*words)
            self.environment["JOURNAL_STREAM"] = stream_of(self._out)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it is not yet ready then."""
        environment = {**os.environ, **self.environment}
        self._process = subprocess.Popen(
            [*self.before, *self._command], stdout=self._out, stderr=self._out, env=environment
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def move(self, state: Path) -> None:
        """Find its state in another folder from the next start on."""
        self._command[self._command.index(str(self.state))] = str(state)
        self.state = state

    def reload(self) -> None:
        """Have it read its configuration again."""
        os.kill(self.pid, signal.SIGHUP)

    def wait(self, seconds: float) -> int:
        """Wait until it has ended by itself; give its exit status."""
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> None:
        """End it as a power cut of the process would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it in order; give its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(20)

    def close(self) -> None:
        """Leave nothing running."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._out.close()

    def status(self) -> dict[str, Any]:
        """Ask it how it does; empty while it does not answer."""
        command = [sys.executable, "-P", "-m", "agent", "status", "--json", "--socket", str(self.socket)]
        asked = subprocess.run(command, capture_output=True, check=False, timeout=20)
        found: dict[str, Any] = json.loads(asked.stdout) if asked.returncode == 0 else {}
        return found


def until(true: Callable[[], bool], *, seconds: float, what: str) -> float:
    """Wait until *true* holds, and give how long that took; fail with *what* after *seconds*."""
    begin = time.monotonic()
    while not true():
        took = time.monotonic() - begin
        assert took < seconds, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.02)  # the thing waited for is another process: there is no event to wait on
    return time.monotonic() - begin
