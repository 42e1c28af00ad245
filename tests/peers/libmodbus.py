"""A Modbus TCP server on libmodbus: an implementation of the protocol that shares no code with ours.

It runs as a process of its own. Each unit has 2,000 bits and 10,000 registers of either kind; register *i*
holds *i* until set. What lies outside is answered by libmodbus itself with exception 2::

    with libmodbus.serve() as meter:
        meter.set("input", 0x34, [0x4366, 0x1999])
        ...                                       # 127.0.0.1, meter.port
        assert meter.requests() == [[1, 4, 0x34, 2]]
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.peers import need


class LibmodbusServer:
    """The test's side of the server process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port: int = self._told()["port"]

    def set(self, table: str, addr: int, values: Sequence[int], unit: int | None = None) -> None:
        """Store *values* from *addr* on, for one unit or for all that there will be."""
        self._tell(do="set", table=table, addr=addr, values=list(values), unit=unit)

    def refuse(self, table: str, addr: int, size: int = 1, code: int = 2) -> None:
        """Answer every request that touches the stretch with exception *code*."""
        self._tell(do="refuse", table=table, addr=addr, size=size, code=code)

    def relent(self) -> None:
        """Refuse nothing any more."""
        self._tell(do="relent")

    def mute(self, *units: int) -> None:
        """Leave the requests to *units* without an answer (no units: answer all again)."""
        self._tell(do="mute", units=list(units))

    def delay(self, seconds: float) -> None:
        """Take so long for each answer."""
        self._tell(do="delay", seconds=seconds)

    def requests(self) -> list[list[int]]:
        """Give what was asked since the last call: unit, function, address, count."""
        found: list[list[int]] = self._tell(do="requests")["requests"]
        return found

    def connections(self) -> tuple[int, int]:
        """Give how many connections there have been, and how many are open."""
        told = self._tell(do="connections")
        return told["ever"], told["open"]

    def _tell(self, **what: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self._told()

    def _told(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the libmodbus server died"
        told: dict[str, Any] = json.loads(line)
        return told


@contextmanager
def serve() -> Iterator[LibmodbusServer]:
    """Start a server on a free port of 127.0.0.1 and stop it afterwards; skip the test without libmodbus."""
    library = need("libmodbus")
    program = Path(__file__).with_name("libmodbus_process.py")
    process = subprocess.Popen(
        [sys.executable, str(program), library], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield LibmodbusServer(process)
    finally:
        process.kill()
        process.communicate()
