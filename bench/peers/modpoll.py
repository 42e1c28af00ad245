"""modpoll in the comparison: a small program that many take for Modbus to MQTT; one endpoint a process."""

from __future__ import annotations

import json
import venv
from pathlib import Path
from typing import Final

from bench.peers.sides import BUILD, Command, Ports, Read, Side, run
from bench.peers.site import REGISTERS, UNITS, point_of

_VERSION: Final = "1.6.0"
_HOME: Final = BUILD / "modpoll"
_PROGRAM: Final = _HOME / "bin" / "modpoll"
_ROOT: Final = "gateways/"


def _missing() -> str:
    return (
        ""
        if _PROGRAM.exists()
        else "is not installed (make bench-peers ARGS=--install; needs a package index)"
    )


def _install() -> None:
    venv.create(_HOME, with_pip=True, clear=True)
    run(_HOME / "bin" / "python", "-m", "pip", "install", "--quiet", f"modpoll=={_VERSION}")


def _lay(room: Path, ports: Ports) -> Command:
    lines = []
    for unit in range(1, UNITS["d"] + 1):
        lines += [f"device,d{unit},{unit},,", f"poll,holding_register,0,{REGISTERS},BE_BE"]
        lines += [f"ref,r{addr},{addr},uint16,r" for addr in range(REGISTERS)]
    (room / "site.csv").write_text("\n".join(lines) + "\n", "utf-8")
    words = [
        str(_PROGRAM), "--daemon", "--tcp", "127.0.0.1", "--tcp-port", str(ports.tcp), "--config", "site.csv",
        "--rate", "1", "--interval", "0", "--timeout", "1", "--timestamp", "--loglevel", "ERROR",
        "--mqtt-version", "5.0", "--mqtt-host", "127.0.0.1", "--mqtt-port", str(ports.broker),
        "--mqtt-qos", "1", "--mqtt-clientid", "modpoll",
        "--mqtt-publish-topic-pattern", _ROOT + "{{device_name}}",
    ]  # fmt: skip
    return Command(words=words)


def _read(topic: str, body: bytes) -> Read:
    told = json.loads(body)
    stamp = float(told.pop("timestamp"))
    for name, value in told.items():
        if value is not None:
            yield point_of(topic.removeprefix(_ROOT), int(name[1:])), stamp, int(value)


SIDE: Final = Side(
    name="modpoll",
    title=f"modpoll {_VERSION}",
    settings="`--rate 1 --interval 0 --timestamp --mqtt-qos 1 --mqtt-version 5.0`; the gateway's units only",
    short="modpoll",
    missing=_missing,
    install=_install,
    lay=_lay,
    read=_read,
    rtu=False,
)
