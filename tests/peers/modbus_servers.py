"""Modbus servers by people who do not know each other, all with the same memory.

Each runs as a process of its own, over TCP or on a serial port::

    with PEERS["modbus-serial"].serve(Memory()) as port:
        ...                                       # 127.0.0.1, port
    with PEERS["jsmodbus"].serve(Memory(), line.theirs):
        ...
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from tests.peers import libmodbus, missing, need

UNIT: Final = 7
BAUD: Final = 115_200
_HERE: Final = Path(__file__).parent
_NODE_MODULES: Final = _HERE.parents[1] / "build" / "peers" / "npm" / "node_modules"


class Memory(Struct, frozen=True):
    """What a unit holds from address 0 on, and the holding registers that it refuses, with the exception."""

    tables: dict[str, list[int]]
    refuse: dict[int, int] = field(default_factory=dict)


class Peer(Struct, frozen=True):
    """A server, and what it does not do: JavaScript's see no difference between units, or refuse nothing."""

    name: str
    program: str = ""
    packages: tuple[str, ...] = ()
    serial: bool = True
    refuses: bool = True
    """It answers with exceptions; jsmodbus cuts its reply short instead."""
    minds_units: bool = True
    """It leaves other units' requests alone."""

    @contextmanager
    def serve(self, memory: Memory, path: Path | None = None) -> Iterator[int]:
        """Run it for the length of a ``with`` block, on a free TCP port or on the serial port *path*."""
        told = {"unit": UNIT, "tables": memory.tables, "refuse": memory.refuse}
        told |= {"path": str(path), "baud": BAUD} if path else {}
        environment = {**os.environ, "NODE_PATH": str(_NODE_MODULES)}
        process = subprocess.Popen(
            self._command(), env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(told) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            assert line, f"{self.program} did not start"
            yield json.loads(line)["port"]
        finally:
            process.kill()
            process.communicate()

    def _command(self) -> list[str]:
        program = str(_HERE / self.program)
        if self.program.endswith(".py"):
            return [sys.executable, program]
        node = need("node")
        for one in self.packages:
            if not (_NODE_MODULES / one).is_dir():
                missing(f"the npm package {one} (make peers)")
        return [node, program]


class Libmodbus(Peer, frozen=True):
    """libmodbus, which has a process of its own kind; on serial ports other tests talk to it."""

    @contextmanager
    def serve(self, memory: Memory, path: Path | None = None) -> Iterator[int]:
        """Run it for the length of a ``with`` block."""
        assert path is None
        with libmodbus.serve() as server:
            for table, values in memory.tables.items():
                server.set(table, 0, values)
                server.refuse(table, len(values), 10_000)
            for addr, code in memory.refuse.items():
                server.refuse("holding", addr, code=code)
            server.mute(*({*range(256)} - {UNIT}))
            yield server.port


_ALL: Final = (
    Libmodbus("libmodbus", serial=False),
    Peer("modbus-tk", "modbus_tk_process.py"),
    Peer("modbus-serial", "modbus_serial_process.js", ("modbus-serial", "serialport")),
    Peer("jsmodbus", "jsmodbus_process.js", ("jsmodbus", "serialport"), refuses=False, minds_units=False),
)
PEERS: Final = {one.name: one for one in _ALL}
