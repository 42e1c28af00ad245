"""All targets by name; whoever wants one imports no other."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from tests.fuzz.target import Target

HOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "modbus": ("modbus-rtu", "modbus-tcp", "modbus-numbers", "sunspec"),
    "serial": ("p1", "p1-damage", "sds011", "pms", "lines", "overheard"),
    "bacnet": ("bacnet-datagrams", "bacnet-messages", "ede"),
    "commands": ("commands",),
    "mqtt": ("mqtt-5", "mqtt-3", "mqtt-own", "sparkplug", "provisioning", "websocket", "upgrade", "proxy"),
    "config": ("compiler", "places", "questions"),
    "files": ("bundle", "model-bundle", "memories", "registers", "certificates", "samples"),
    "outbox": ("salvage", "witness"),
    "cameras": ("onvif-answers", "onvif-http", "onvif-everybody", "streams", "records"),
    "vision": ("tfjs", "onnx"),
}
"""The targets of each file in ``tests/fuzz/targets``."""

NAMES: Final = tuple(name for names in HOMES.values() for name in names)


def target(name: str) -> Target:
    """Give the target called *name*; raise KeyError when there is none."""
    home = next((home for home, names in HOMES.items() if name in names), None)
    if home is None:
        raise KeyError(f"no target is called {name}; known: {', '.join(NAMES)}")
    return next(one for one in targets(home) if one.name == name)


def targets(home: str) -> tuple[Target, ...]:
    """Give the targets of one file."""
    found: tuple[Target, ...] = import_module(f"tests.fuzz.targets.{home}").TARGETS
    return found
