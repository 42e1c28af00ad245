"""Node-RED in the comparison, with the Modbus nodes that most of its users take.

A newer node-red-contrib-modbus cannot be had from the package index alone: what it needs lies elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

from agent.demo.broker import free_port
from bench.peers.sides import BUILD, Command, Ports, Read, Side, run
from bench.peers.site import BLOCKS, UNITS, point_of

_VERSION: Final = "4.1.8"
_NODES: Final = "5.23.3"
_HOME: Final = BUILD / "node-red"
_START: Final = _HOME / "node_modules" / "node-red" / "red.js"
_ROOT: Final = "gateways/"
_FUNCTION: Final = "msg.payload = {ts: Date.now(), v: msg.payload}; return msg;"


def _missing() -> str:
    if shutil.which("node") is None:
        return "needs node, which is not installed (Debian: nodejs npm)"
    return (
        ""
        if _START.exists()
        else "is not installed (make bench-peers ARGS=--install; needs npm and a package index)"
    )


def _install() -> None:
    _HOME.mkdir(parents=True, exist_ok=True)
    words = ("--omit=optional", "--ignore-scripts", "--no-save", "--no-package-lock", "--loglevel=error")
    packages = (f"node-red@{_VERSION}", f"node-red-contrib-modbus@{_NODES}")
    run("npm", "install", "--prefix", _HOME, *words, *packages)


def _lay(room: Path, ports: Ports) -> Command:
    (room / "node_modules").symlink_to(_HOME / "node_modules")
    (room / "flows.json").write_text(json.dumps(_flow(ports)), "utf-8")
    settings = {
        "flowFile": "flows.json", "uiHost": "127.0.0.1", "uiPort": free_port(), "httpAdminRoot": False,
        "httpNodeRoot": False, "disableEditor": True, "logging": {"console": {"level": "error"}},
    }  # fmt: skip
    (room / "settings.js").write_text(f"module.exports = {json.dumps(settings)}\n", "utf-8")
    words = ["node", str(_START), "--userDir", str(room), "--settings", str(room / "settings.js")]
    return Command(words=words, environment={"PATH": os.environ["PATH"], "HOME": str(room)})


def _flow(ports: Ports) -> list[dict[str, Any]]:
    flow: list[dict[str, Any]] = [
        {"id": "tab", "type": "tab", "label": "site"},
        {
            "id": "broker", "type": "mqtt-broker", "broker": "127.0.0.1", "port": str(ports.broker),
            "clientid": "node-red", "autoConnect": True, "usetls": False, "protocolVersion": "5",
            "keepalive": "60", "cleansession": True,
        },
        {
            "id": "out", "type": "mqtt out", "z": "tab", "topic": "", "qos": "1", "retain": "false",
            "broker": "broker", "wires": [],
        },
        {
            "id": "stamp", "type": "function", "z": "tab", "func": _FUNCTION, "outputs": 1,
            "wires": [["out"]],
        },
    ]  # fmt: skip
    for kind, port, way in (("d", ports.tcp, "DEFAULT"), ("c", ports.rtu, "TELNET")):
        flow.append(_client(kind, port, way))
        flow += [
            _reader(f"{kind}{unit}", first, count)
            for unit in range(1, UNITS[kind] + 1)
            for first, count in BLOCKS[kind]
        ]
    return flow


def _client(kind: str, port: int, way: str) -> dict[str, Any]:
    return {
        "id": kind, "type": "modbus-client", "clienttype": "tcp", "bufferCommands": True,
        "stateLogEnabled": False, "queueLogEnabled": False, "failureLogEnabled": False,
        "tcpHost": "127.0.0.1", "tcpPort": str(port), "tcpType": way, "unit_id": "1", "commandDelay": "1",
        "clientTimeout": "1000", "reconnectOnTimeout": True, "reconnectTimeout": "2000",
        "parallelUnitIdsAllowed": kind == "d",  # its RTU port expects one reply at a time
    }  # fmt: skip


def _reader(device: str, first: int, count: int) -> dict[str, Any]:
    return {
        "id": f"{device}-{first}", "type": "modbus-read", "z": "tab", "topic": f"{_ROOT}{device}/{first}",
        "showStatusActivities": False, "logIOActivities": False, "showErrors": False, "unitid": device[1:],
        "dataType": "HoldingRegister", "adr": str(first), "quantity": str(count),
        "rate": "1", "rateUnit": "s", "server": device[0], "useIOFile": False,
        "useIOForPayload": False, "emptyMsgOnFail": False,
        "wires": [["stamp"], []],
    }  # fmt: skip


def _read(topic: str, body: bytes) -> Read:
    device, first = topic.removeprefix(_ROOT).split("/")
    told = json.loads(body)
    for addr, value in enumerate(told["v"], int(first)):
        yield point_of(device, addr), told["ts"] / 1000, int(value)


SIDE: Final = Side(
    name="node_red",
    title=f"Node-RED {_VERSION} with node-red-contrib-modbus {_NODES}",
    settings="a `modbus-read` for each block, `mqtt out` with QoS 1; on the converter one unit at a time",
    short="Node-RED",
    missing=_missing,
    install=_install,
    lay=_lay,
    read=_read,
)
