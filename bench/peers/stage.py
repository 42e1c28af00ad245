"""The sides at work, and all that can be done to them at the same moment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from agent.demo.broker import free_port
from bench.peers.broker import Broker, City, brokering, listening
from bench.peers.costs import Cost, cost, family
from bench.peers.field import Field, Tally, Trouble, serving
from bench.peers.sides import Command, Ports, Side
from bench.peers.ways import Ways, leading

_ENDS_IN = 8.0
_AGAIN = 2.0


class Look(Struct, frozen=True, kw_only=True):
    """What one side has asked, cost and sent until now."""

    asked: Tally
    cost: Cost
    carried: int


class Seat:
    """One side, with a field, a broker and a city of its own."""

    def __init__(self, side: Side, field: Field, broker: Broker, city: City, room: Path) -> None:
        self.side, self.field, self.broker, self.city = side, field, broker, city
        self._room = room
        self._command = Command(words=[])
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        self.ended = 0

    def lay(self, way: int) -> None:
        """Write its settings."""
        self._room.mkdir()
        ports = Ports(tcp=self.field.tcp, rtu=self.field.rtu, broker=way)
        self._command = self.side.lay(self._room, ports)

    def start(self) -> None:
        """Start the gateway, for the first time or again."""
        self._killed = False
        with (self._room / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                self._command.words, cwd=self._room, env=dict(self._command.environment),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the gateway and all that it has started."""
        process = self._process
        if process is None:
            return
        self._killed = True
        for one in family(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, how)
        try:
            process.wait(_ENDS_IN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def watch(self) -> None:
        """Start it again if it has ended by itself, as a service manager would."""
        if self._process is not None and self._process.poll() is not None and not self._killed:
            self.ended += 1
            self.start()

    def works(self) -> bool:
        """Say whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def cost(self) -> Cost:
        """Give what it has cost since it was started."""
        return cost(self._process.pid) if self._process is not None and self.works() else Cost()


class Stage:
    """All sides."""

    def __init__(self, seats: Sequence[Seat], ways: Ways) -> None:
        self.seats, self._ways = seats, ways
        self._mode: Literal["ok", "cut", "hole"] = "ok"
        self._trouble = Trouble()

    def look(self) -> list[Look]:
        """Look at all."""
        carried = self._ways.be(self._mode)
        asked = [one.field.be(self._trouble) for one in self.seats]
        return [
            Look(asked=tally, cost=one.cost(), carried=count)
            for one, tally, count in zip(self.seats, asked, carried, strict=True)
        ]

    def trouble(self, trouble: Trouble) -> None:
        """Let this be wrong with each field."""
        self._trouble = trouble
        for one in self.seats:
            one.field.be(trouble)

    def way(self, mode: Literal["ok", "cut", "hole"]) -> None:
        """Let the ways to the brokers be so."""
        self._mode = mode
        self._ways.be(mode)

    def pause(self, seconds: float) -> None:
        """Let everybody work; who ends by itself is started again after a while."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _AGAIN))
            for one in self.seats:
                one.watch()

    def kill(self) -> None:
        """Kill all gateways, which nothing warns."""
        for one in self.seats:
            one.end(signal.SIGKILL)

    def start(self) -> None:
        """Start all gateways."""
        for one in self.seats:
            one.start()

    def brokers(self, *, up: bool) -> None:
        """End or start the brokers."""
        for one in self.seats:
            if up:
                one.broker.start()
            else:
                one.broker.stop()


@contextlib.contextmanager
def staged(sides: Sequence[Side], room: Path) -> Iterator[Stage]:
    """Have all sides ready, none of them started, and all of them gone after."""
    room.chmod(0o755)
    with contextlib.ExitStack() as stack:
        seats = []
        for side in sides:
            broker = stack.enter_context(brokering(room / f"{side.name}-broker", free_port()))
            city = stack.enter_context(listening(broker.port))
            seats.append(Seat(side, stack.enter_context(serving()), broker, city, room / side.name))
        ways = stack.enter_context(leading([one.broker.port for one in seats]))
        for one, way in zip(seats, ways.ports, strict=True):
            one.lay(way)
            stack.callback(one.end)
        yield Stage(seats, ways)
