"""Starts BACnet devices and clients that we did not write, each in a process of its own, on free ports."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from drivers.bacnet.peer import Peer
from tests.peers import missing, need

_HERE = Path(__file__).parent
_NODE_MODULES = _HERE.parents[1] / "build" / "peers" / "npm" / "node_modules"


class Device:
    """The test's side of a device's process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = self._line()
        self.peer = Peer.parse(self.address)

    def set(self, kind: str, number: int, value: Any, *, type: str, prop: str = "present_value") -> None:  # noqa: A002, ANN401
        """Give a property of an object another value."""
        assert self._process.stdin
        told = {"object": [kind, number], "property": prop, "value": value, "type": type}
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        assert self._line() == "done"

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError("the device's process has ended")
        return line.strip()

    def kill(self) -> None:
        """Cut its power."""
        self._process.kill()
        self._process.wait()


@contextmanager
def rusty(**spec: Any) -> Iterator[Device]:  # noqa: ANN401
    """Run a device of rusty-bacnet; *spec* as in ``rusty_bacnet_process.py``."""
    with _running("rusty_bacnet", "rusty_bacnet_process.py", spec) as device:
        yield device


@contextmanager
def bacpypes3(**spec: Any) -> Iterator[Device]:  # noqa: ANN401
    """Run a device of bacpypes3; *spec* as in ``bacpypes3_process.py``."""
    with _running("bacpypes3", "bacpypes3_process.py", spec) as device:
        yield device


async def node_bacnet(address: str, instance: int) -> dict[str, str]:
    """Have node-bacnet try what it can against a device of ours; give what came of each act."""
    need("node")
    if not (_NODE_MODULES / "node-bacnet").is_dir():
        missing("node-bacnet")
    script = str(_HERE / "node_bacnet_process.js")
    process = await asyncio.create_subprocess_exec(
        "node",
        script,
        address,
        str(instance),
        env={**os.environ, "NODE_PATH": str(_NODE_MODULES)},
        stdout=subprocess.PIPE,
    )
    said, _ = await process.communicate()
    found: dict[str, str] = json.loads(said)
    return found


def free_port() -> int:
    """Give a UDP port that is free on every address of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def building(**spec: Any) -> Iterator[Device]:  # noqa: ANN401
    """Run a device of bacpypes3 with objects of many kinds; *spec* as in ``bacnet_building_process.py``."""
    with _running("bacpypes3", "bacnet_building_process.py", spec) as device:
        yield device


@contextmanager
def _running(package: str, script: str, spec: dict[str, Any]) -> Iterator[Device]:
    if find_spec(package) is None:
        missing(package)
    command = [sys.executable, str(_HERE / script), json.dumps(spec)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Device(process)
        finally:
            process.kill()
