"""The gateway calls the devices and brokers of its configuration and nobody else: no telemetry, no updates.

A gateway of this site lives for some seconds, led to loopback: whatever it calls or looks up by name, and
every socket that the kernel knows of, must lead to the stub there. Libraries that are known to report home
are looked for among those that it loaded. What starts later than these seconds is not seen here: narrow the
unit's network (systemd/drop-ins/narrow-network.conf), and the system forbids it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.prove.life import Life
from agent.prove.outcome import Outcome, judged
from agent.prove.scene import Scene
from agent.prove.sealed import HOST
from agent.prove.sockets import is_loopback

_REPORTING: Final = {"onnxruntime": ("ORT_DISABLE_TELEMETRY", "1")}
"""Libraries that report home unless a variable of the environment says that they must not."""


def prove(scene: Scene) -> Outcome:
    """Look whom a gateway of this site calls."""
    life = scene.life
    faults = [*_called(life), *_reporting(life)]
    calls = sum(one.what == "call" and one.kind != "unix" for one in life.events)
    return judged(
        tuple(dict.fromkeys(faults)),
        f"A gateway of this site made {calls} calls in some seconds, all to where it had been led.",
        f"None of the {len(life.libraries)} libraries that it loaded is known to report home.",
    )


def _called(life: Life) -> Iterator[str]:
    for one in life.events:
        if one.what == "lookup" and one.where != HOST:
            yield f"The name {one.where} was looked up."
        if one.what == "call" and one.kind != "unix" and not is_loopback(one.where):
            yield f"{one.where} was called by {one.kind}."
    for known in life.sockets:
        host, _, port = known.remote.rpartition(":")
        if port != "0" and not is_loopback(known.remote):
            yield f"A {known.kind} socket leads to {host} port {port}."


def _reporting(life: Life) -> Iterator[str]:
    for name, (variable, wanted) in _REPORTING.items():
        is_loaded = any(name in one for one in life.libraries)
        if is_loaded and life.environment.get(variable) != wanted:
            yield f"{name} is loaded, which reports home: set {variable}={wanted} before it starts."
