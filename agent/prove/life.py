"""Some seconds in the life of a gateway of the site, led to loopback, and what it did in them.

It is a process of its own with the site's own files and a state folder that is thrown away. What its Python
does is seen from inside (``agent.prove.watched``), the rest from outside: sockets, loaded libraries, modes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from agent.core.errors import GatewayError
from agent.core.plan import Plan
from agent.outbox.outbox import FILE
from agent.prove.sealed import HOST, seal
from agent.prove.sockets import Socket, sockets_of
from agent.status import ask

_START: Final = 12.0  # seconds that it may take on a small computer
_END: Final = 1.0  # then it is killed: what it would still send has nowhere to go
_GLANCE: Final = 0.05
_UMASK: Final = 0o077  # as the unit has it


class Event(Struct, frozen=True):
    """Something that the gateway's Python did: ``what`` is bind, call, lookup, start or write."""

    what: str
    kind: str
    where: str


class Life(Struct, frozen=True, kw_only=True):
    """What a gateway did: from inside, and as seen from outside.

    ``port`` is that of the stub, ``own`` the folder in which it may write. ``libraries`` are the files that
    it had loaded, ``modes`` those of its outbox and control socket; ``left_out`` links that cannot be led.
    """

    port: int
    own: Path
    events: tuple[Event, ...]
    sockets: frozenset[Socket]
    libraries: frozenset[str]
    environment: dict[str, str]
    modes: dict[str, int]
    left_out: tuple[str, ...]


def live(plan: Plan, folder: Path, room: Path, program: Sequence[str], seconds: float) -> Life:
    """Let a gateway of *folder* live in *room* for *seconds*; raise GatewayError if it does not start."""
    own, log = room / "own", room / "events"
    for one in (own / "state", own / "run"):
        one.mkdir(parents=True)
    control = own / "run" / "control.sock"
    with _stub() as port:
        words = [str(folder.absolute()), str(own / "state"), str(control), str(port), str(log)]
        with (room / "log").open("wb") as said:
            child = subprocess.Popen(  # noqa: S603 - our own program
                [*program, *words], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, umask=_UMASK, start_new_session=True,
            )  # fmt: skip
        try:
            seen = _look(child, control, room / "log", seconds)
            modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (control, own / "state" / FILE)}
        finally:
            _end(child)
    return Life(
        port=port, own=own, events=tuple(_events(log)), sockets=frozenset(seen.sockets),
        libraries=frozenset(seen.libraries), environment=seen.environment, modes=modes,
        left_out=seal(plan, port).left_out,
    )  # fmt: skip


class _Seen(Struct):
    """What was seen from outside so far."""

    sockets: set[Socket]
    libraries: set[str]
    environment: dict[str, str]


def _look(child: subprocess.Popen[bytes], control: Path, log: Path, seconds: float) -> _Seen:
    """Watch *child* until it answers and for some seconds more."""
    seen = _Seen(set(), set(), {})
    began, answered = time.monotonic(), None
    while answered is None or time.monotonic() < answered + seconds:
        if child.poll() is not None:
            said = log.read_text("utf-8", errors="replace").strip().splitlines()[-1:] or ["without a word"]
            raise GatewayError(f"a gateway of this site ended by itself when it was tried: {said[0]}")
        if answered is None and time.monotonic() > began + _START:
            raise GatewayError(f"a gateway of this site did not answer within {_START:g} s")
        seen.sockets.update(sockets_of(child.pid))
        if answered is None and control.is_socket():
            with contextlib.suppress(GatewayError):
                ask(control, {"ask": "ping"}, patience=1.0)
                answered = time.monotonic()
        time.sleep(_GLANCE)
    proc = Path("/proc") / str(child.pid)
    seen.libraries |= {line.split()[-1] for line in (proc / "maps").read_text().splitlines() if ".so" in line}
    pairs = (one.partition("=") for one in (proc / "environ").read_text(errors="replace").split("\0"))
    seen.environment = {name: value for name, _, value in pairs if name}
    return seen


def _end(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(_END)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _events(log: Path) -> Iterator[Event]:
    for line in log.read_text("utf-8").splitlines():
        found: dict[str, Any] = json.loads(line)
        yield Event(found["what"], found["kind"], found["where"])


@contextlib.contextmanager
def _stub() -> Iterator[int]:
    """Hold a TCP port of loopback at which connections are made and nobody speaks, and its UDP twin."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as twin,
    ):
        listener.bind((HOST, 0))
        port = int(listener.getsockname()[1])
        with contextlib.suppress(OSError):  # somebody else's UDP port: then packets go astray, on loopback
            twin.bind((HOST, port))
        listener.listen(64)
        yield port
