"""Serial lines without wires: two pseudo-terminals joined by socat, and a libmodbus slave on one of them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers import need

_PATIENCE = 10.0


class SerialLine:
    """A line with two ends, each the path of a port."""

    def __init__(self, folder: Path) -> None:
        self.ours, self.theirs = folder / "ours", folder / "theirs"
        self._process: subprocess.Popen[bytes] | None = None

    def plug(self) -> None:
        """Make both ports appear."""
        ends = [f"pty,raw,echo=0,link={end}" for end in (self.ours, self.theirs)]
        self._process = subprocess.Popen([need("socat"), *ends], stderr=subprocess.DEVNULL)
        until = time.monotonic() + _PATIENCE
        while not (self.ours.exists() and self.theirs.exists()):
            assert time.monotonic() < until, "socat made no ports"
            time.sleep(0.005)

    def unplug(self) -> None:
        """Make them vanish, as an adapter does that is pulled out."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE)
            self._process = None


@contextmanager
def serial_line(folder: Path) -> Iterator[SerialLine]:
    """Give a line for the length of a ``with`` block."""
    line = SerialLine(folder)
    line.plug()
    try:
        yield line
    finally:
        line.unplug()


@contextmanager
def slave(port: Path, unit: int, *, baud: int = 9600, parity: str = "N") -> Iterator[None]:
    """Run a libmodbus RTU slave: register *i* holds *i*."""
    program = Path(__file__).with_name("libmodbus_rtu_process.py")
    words = [sys.executable, str(program), need("libmodbus"), str(port), str(baud), parity, str(unit)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "the slave did not start"
        yield
    finally:
        process.kill()
        process.communicate()
