"""What a proof may use: the site, a folder of its own to spoil, and the parts that are put to the test.

The parts are arguments, so that a test can put a leaking one in the place of each and see it found.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import cached_property
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from agent.config.load import load
from agent.core.clock import Clock
from agent.core.errors import GatewayError
from agent.core.plan import Plan
from agent.core.vision import Trial, Tried
from agent.flow import Flow, Store
from agent.outbox.outbox import Outbox
from agent.outbox.verdict import Verdict, verify
from agent.prove.caged import tried
from agent.prove.life import Life, live
from agent.uplink.clients import connect
from agent.uplink.port import Connect


class OpensOutbox(Protocol):
    """Opens an outbox as ``Outbox.open`` does."""

    def __call__(
        self, folder: Path, *, cap: int, keep: float, clock: Clock, boxed: bool = True
    ) -> Awaitable[Outbox]:
        """Give it open."""
        ...


class Parts(Struct, frozen=True, kw_only=True):
    """What is put to the test, and how: *program* is the gateway with its senses watched.

    *seconds* is how long a spy is at work, and how long a gateway lives once it has come to life.
    """

    load: Callable[[Path], Plan] = load
    flow: Callable[[Store], Flow] = Flow
    outbox: OpensOutbox = Outbox.open
    verify: Callable[[Path], Verdict] = verify
    connect: Connect = connect
    cage: Callable[[Trial], Tried] = tried
    seconds: float = 1.5
    program: tuple[str, ...] = (sys.executable, "-P", "-m", "agent.prove.watched")


class Scene:
    """One site, and room to try things in.

    *outbox* is the site's own, which is only copied; *socket* that of its running gateway, if one runs.
    *now* is in UTC seconds.
    """

    def __init__(  # noqa: PLR0913 - each is named, and none has a group of its own
        self, *, plan: Plan, folder: Path, outbox: Path, socket: Path, room: Path, now: float,
        parts: Parts | None = None,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.folder = folder
        self.outbox = outbox
        self.socket = socket
        self.now = now
        self.parts = parts or Parts()
        self._room = room
        self._rooms = 0

    def room(self) -> Path:
        """Give an empty folder that nobody else uses."""
        self._rooms += 1
        made = self._room / str(self._rooms)
        made.mkdir(mode=0o700)
        return made

    @property
    def life(self) -> Life:
        """Let a gateway of this site live for some seconds, led to loopback, and give what it did."""
        if isinstance(self.lived, Life):
            return self.lived
        raise self.lived

    @cached_property
    def lived(self) -> Life | GatewayError | OSError:
        """What came of the one time that it was tried: several proofs ask, and nobody waits twice."""
        try:
            return self._live()
        except (GatewayError, OSError) as error:
            return error

    def _live(self) -> Life:
        return live(self.plan, self.folder, self.room(), self.parts.program, self.parts.seconds)
