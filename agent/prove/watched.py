"""The gateway with its senses watched: what it binds, calls, looks up, starts and writes goes to a log.

``python -m agent.prove.watched DIR STATE SOCKET PORT LOG`` runs the site of DIR, sealed: every link and every
broker is led to PORT of loopback. Python's own audit events are the eye: libraries written in Python cannot
get round it; those that are not are looked at from outside (``agent.prove.life``).
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import random
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from agent.app import Daemon, World, signals
from agent.config.load import load
from agent.core.clock import SystemClock
from agent.notify import Notifier
from agent.prove.sealed import seal
from agent.uplink.uplink import Uplink

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_CALLS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOKUPS: Final = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
_STARTS: Final = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.spawn"}
)
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main(words: list[str]) -> None:
    """Watch, and run until told to stop, or until whoever started this is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    folder, state, control, port, log = words
    plan = seal(load(Path(folder)), int(port)).plan
    line = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    sys.addaudithook(_hook(line))
    asyncio.run(_run(Path(folder), Path(state), Path(control), plan))


async def _run(folder: Path, state: Path, control: Path, plan: Any) -> None:  # noqa: ANN401 - a Plan
    world = World(clock=SystemClock(), rng=random.Random(), notifier=Notifier({}), make_uplink=Uplink)
    daemon = Daemon(folder, state=state, socket=control, world=world)
    with signals(daemon.orders):
        await daemon.run(plan)


def _hook(line: int) -> Callable[[str, tuple[Any, ...]], None]:
    """Make what writes each event of interest to the descriptor *line*, as JSON."""

    def note(event: str, args: tuple[Any, ...]) -> None:
        if found := _event(event, args):
            os.write(line, json.dumps(found).encode() + b"\n")

    return note


def _event(event: str, args: tuple[Any, ...]) -> dict[str, str] | None:
    """Say what an audit event means; None for what nobody asks about."""
    if event == "socket.bind" or (event in _CALLS and args[1] is not None):
        what = "bind" if event == "socket.bind" else "call"
        return {"what": what, "kind": _kind(args[0]), "where": _place(args[1])}
    if event in _LOOKUPS:
        return {"what": "lookup", "kind": "name", "where": _text(args[0])}
    if event in _STARTS:
        return {"what": "start", "kind": event, "where": str(args[0]) if args else ""}
    if event == "sqlite3.connect" or (event == "open" and _writes(args)):
        return {"what": "write", "kind": event, "where": os.fsdecode(args[0])}
    return None


def _text(name: object) -> str:
    """Give a host's name as text: who wants no tables of letters loaded asks for it in bytes."""
    return name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)


def _writes(args: tuple[Any, ...]) -> bool:
    """Say whether an ``open`` of a path, not of a descriptor, is for writing."""
    return isinstance(args[2], int) and bool(args[2] & _WRITES) and not isinstance(args[0], int)


def _kind(made: socket.socket) -> str:
    if made.family == socket.AF_UNIX:
        return "unix"
    if made.family not in (socket.AF_INET, socket.AF_INET6):
        return "other"
    return "tcp" if made.type == socket.SOCK_STREAM else "udp"


def _place(address: object) -> str:
    """Write an address as ``host:port``, or a path."""
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)


if __name__ == "__main__":
    main(sys.argv[1:])
