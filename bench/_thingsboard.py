"""The gateway that we are measured beside: ThingsBoard IoT Gateway, in a virtual environment of its own.

It is asked for what ours is asked for, as its users write it: one entry a register, QoS 1, log level ERROR.
Its own pins of pymodbus and pyserial keep it from calling pip while it runs. Needs mosquitto.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

VERSION = "3.8.5"
NAME = f"thingsboard-gateway {VERSION}"
_HOME = Path(__file__).parent.parent / "build" / "thingsboard-gateway"
_PYTHON = _HOME / "bin" / "python"
_PACKAGES = (f"thingsboard-gateway=={VERSION}", "pymodbus==3.9.2", "pyserial", "pyserial-asyncio")
_RUN = "from thingsboard_gateway.tb_gateway import daemon; daemon()"
_ENDS_IN = 5.0
# on a broker that shows everybody everything it would read back its own attributes
RIGHTS = """\
user gateway
topic write #
topic read v1/devices/me/rpc/response/#
topic read v1/devices/me/attributes/response/#
topic read v1/gateway/attributes/response
topic read v1/gateway/rpc
user stub
topic readwrite #
"""


class Slave(Struct, frozen=True, kw_only=True):
    """A device of its configuration, with an entry for each register or for each block of them."""

    name: str
    port: int
    unit: int
    blocks: tuple[tuple[int, int], ...]
    method: str = "socket"
    timeout: float = 3
    ranges: bool = False

    def entry(self) -> dict[str, Any]:
        """Give its part of the file."""
        kind: dict[str, Any] = {"type": "16uint", "functionCode": 3, "objectsCount": 1}
        addrs = [first + offset for first, count in self.blocks for offset in range(count)]
        entries = [{"tag": f"r{addr}", "address": addr, **kind} for addr in addrs]
        if self.ranges:
            most = {"maxRegistersPerRequest": 125}
            entries = [
                {"tag": f"r{first}_${{address}}", "address": f"{first}-{first + count - 1}", **kind, **most}
                for first, count in self.blocks
            ]
        return {
            "host": "127.0.0.1", "port": self.port, "type": "tcp", "method": self.method, "unitId": self.unit,
            "deviceName": self.name, "deviceType": "default", "pollPeriod": 1000,
            "timeout": self.timeout, "retries": 0, "byteOrder": "BIG", "wordOrder": "BIG",
            "connectAttemptTimeMs": 500, "connectAttemptCount": 5, "waitAfterFailedAttemptsMs": 30000,
            "timeseries": entries,
            "attributes": [], "attributeUpdates": [], "rpc": [],
        }  # fmt: skip


def install() -> None:
    """Make the environment; needs a package index."""
    venv.create(_HOME, with_pip=True, clear=True)
    subprocess.run([_PYTHON, "-m", "pip", "install", "--quiet", *_PACKAGES], check=True)
    print(f"{NAME} is in {_HOME}")


def missing() -> str:
    """Say what it lacks here; empty: nothing."""
    if not _PYTHON.exists():
        return f"{NAME} is not installed (make bench-peers ARGS=--install)"
    return "" if _mosquitto() else f"{NAME} needs mosquitto, which is not installed (make peers)"


@contextlib.contextmanager
def brokering(room: Path, port: int) -> Iterator[None]:
    """Run its broker in *room*."""
    room.mkdir()
    for one in (room.parent, room):
        one.chmod(0o755)  # a mosquitto that root has started reads its files as another user
    (room / "rights").write_text(RIGHTS, "utf-8")
    (room / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nacl_file {room / 'rights'}\n"
        "max_queued_messages 100000\n",
        "utf-8",
    )
    with _process([_mosquitto(), "-c", str(room / "mosquitto.conf")], room):
        yield


@contextlib.contextmanager
def running(
    room: Path, fields: Sequence[tuple[int, int]], points: int, broker: int
) -> Iterator[subprocess.Popen[bytes]]:
    """Run it for devices given as (port, unit), each with so many registers, once a second.

    Somebody must be at the broker already: it asks once what it may send, and waits for ever.
    """
    slaves = [
        Slave(name=f"d{number}", port=port, unit=unit, blocks=((0, points),))
        for number, (port, unit) in enumerate(fields, 1)
    ]
    words, environment = lay(room, slaves, broker)
    with _process(words, room, environment) as process:
        yield process


def lay(
    room: Path, slaves: Sequence[Slave], broker: int, *, storage: str = "memory"
) -> tuple[list[str], dict[str, str]]:
    """Write its settings into *room*; give the words and the environment that run it there."""
    settings = room / "settings"
    settings.mkdir()
    files = {
        "tb_gateway.json": _gateway(broker, storage),
        "mb.json": {"name": "mb", "logLevel": "ERROR", "master": {"slaves": [one.entry() for one in slaves]}},
        "logs.json": {"version": 1, "disable_existing_loggers": False, "root": {"level": "ERROR"}},
    }
    for name, content in files.items():
        (settings / name).write_text(json.dumps(content), "utf-8")
    environment = {"TB_GW_CONFIG_DIR": f"{settings}/", "PATH": "/usr/bin:/bin"}
    return [str(_PYTHON), "-c", _RUN], environment


@contextlib.contextmanager
def _process(
    words: Sequence[str], room: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, cwd=room, stdout=quiet, stderr=quiet, env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_ENDS_IN)
            except subprocess.TimeoutExpired:
                process.kill()


def _mosquitto() -> str:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/sbin") or ""


def _gateway(broker: int, storage: str) -> dict[str, Any]:
    user = {"type": "usernamePassword", "username": "gateway", "password": "any", "clientId": "gateway"}
    kept: dict[str, Any] = {"read_records_count": 1000, "max_records_count": 100_000}
    if storage == "sqlite":
        kept = {
            "data_file_path": "./data/",
            "messages_ttl_check_in_hours": 1,
            "messages_ttl_in_days": 7,
            "max_read_records_count": 1000,
        }
    return {
        "thingsboard": {
            "host": "127.0.0.1", "port": broker, "qos": 1, "security": user,
            "remoteShell": False, "remoteConfiguration": False, "handleDeviceRenaming": False,
            "statistics": {"enable": False, "enableCustom": False},
            "deviceFiltering": {"enable": False, "filterFile": "list.json"},
            "maxPayloadSizeBytes": 65536, "minPackSendDelayMS": 50, "minPackSizeToSend": 500,
            "checkConnectorsConfigurationInSeconds": 60, "reportStrategy": {"type": "ON_RECEIVED"},
            "checkingDeviceActivity": {"checkDeviceInactivity": False},
        },
        "storage": {"type": storage, **kept},
        "grpc": {"enabled": False},
        "connectors": [{"type": "modbus", "name": "mb", "configuration": "mb.json"}],
    }  # fmt: skip
