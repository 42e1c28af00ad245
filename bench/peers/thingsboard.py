"""ThingsBoard's gateway in the comparison, as its users write it, and at its best."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from bench import _thingsboard
from bench.peers.sides import Command, Ports, Read, Side
from bench.peers.site import BLOCKS, UNITS, point_of


def _lay(room: Path, ports: Ports, *, best: bool) -> Command:
    slaves = [
        _thingsboard.Slave(
            name=f"{kind}{unit}",
            port=port,
            unit=unit,
            method=method,
            timeout=1,
            ranges=best,
            blocks=BLOCKS[kind],
        )
        for kind, port, method in (("d", ports.tcp, "socket"), ("c", ports.rtu, "rtu"))
        for unit in range(1, UNITS[kind] + 1)
    ]
    storage = "sqlite" if best else "memory"
    words, environment = _thingsboard.lay(room, slaves, ports.broker, storage=storage)
    return Command(words=words, environment=environment)


def _read(topic: str, body: bytes) -> Read:
    if topic != "v1/gateway/telemetry":
        return
    for device, many in json.loads(body).items():
        for one in many:
            for name, value in one["values"].items():
                yield point_of(device, int(name.rpartition("_")[2].lstrip("r"))), one["ts"] / 1000, int(value)


SIDES: Final = (
    Side(
        name="thingsboard",
        title=f"ThingsBoard IoT Gateway {_thingsboard.VERSION}",
        short="ThingsBoard",
        settings="an entry for each register, storage `memory`, as in its sample configuration",
        missing=_thingsboard.missing,
        install=_thingsboard.install,
        lay=lambda room, ports: _lay(room, ports, best=False),
        read=_read,
    ),
    Side(
        name="thingsboard_best",
        title="the same, at its best",
        short="ThingsBoard, best",
        settings='a range for each device (`"0-99"`, `maxRegistersPerRequest` 125), storage `sqlite`',
        missing=_thingsboard.missing,
        install=_thingsboard.install,
        lay=lambda room, ports: _lay(room, ports, best=True),
        read=_read,
    ),
)  # fmt: skip
