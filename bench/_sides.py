"""Those who poll in one measurement, each on its own server: ours, a bare loop, ThingsBoard's gateway."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from agent.demo.broker import free_port
from bench import _thingsboard
from bench._city import City, of_ours, of_theirs
from bench._devices import REGISTERS, lay
from bench._field import Field, Tally, serving
from bench._site import as_installed, gateway, start, wait_for
from bench.idle_rss import memory

BARE = "bare aiomqtt and pymodbus"
_TICK = os.sysconf("SC_CLK_TCK")


class Row(Struct, frozen=True, kw_only=True):
    """One scenario: devices behind one connection or each at a port of its own, and how they answer.

    ``cpu`` and ``rss`` are aims for ours. ``peer`` and ``bare`` say who else runs.
    """

    name: str
    what: str
    devices: int
    seconds: float
    settle: float = 6.0
    latency: float = 0.0
    dead: int = -1
    apart: bool = False
    peer: bool = True
    bare: bool = False
    cpu: float | None = None
    rss: float | None = None

    @property
    def alive(self) -> list[int]:
        """The units that answer."""
        return [unit for unit in range(1, self.devices + 1) if unit != self.dead]

    def serving(self) -> AbstractContextManager[Field]:
        """Run its devices."""
        return serving(ports=self.devices if self.apart else 1, latency=self.latency, dead=self.dead)

    def ports(self, field: Field) -> list[int]:
        """Give each unit's port."""
        return field.ports if self.apart else field.ports * self.devices


class Side:
    """One process and its server, and what is seen of both between two looks."""

    def __init__(self, name: str, field: Field, process: int, city: City | None = None) -> None:
        self.name, self.city = name, city
        self._field, self._process = field, process
        self.cpu = self.rss = 0.0
        self.values = 0
        self.before = self.after = Tally()

    def begin(self) -> None:
        """Look for the first time."""
        self.values = -self.city.values if self.city else 0
        self.before, self.cpu = self._field.look(), -_spent(self._process)

    def end(self) -> None:
        """Look for the last time."""
        self.values += self.city.values if self.city else 0
        self.after = self._field.look()
        self.cpu = 100 * (self.cpu + _spent(self._process)) / self.span
        self.rss = memory(self._process)["Rss"]

    @property
    def span(self) -> float:
        """Seconds between the two looks."""
        return self.after.at - self.before.at

    @property
    def requests(self) -> float:
        """Requests a second."""
        return (self.after.requests - self.before.requests) / self.span

    @property
    def held(self) -> float:
        """Percent of the time for which a dead unit held a connection."""
        return 100 * (self.after.held - self.before.held) / self.span

    def polls(self, units: Sequence[int]) -> int:
        """Count how often *units* were asked for their first register."""
        return sum(at > self.before.at for unit in units for at in self.after.polls.get(unit, ()))

    def readings(self, unit: int, begin: float, end: float) -> int:
        """Count how often *unit* was read between two UTC seconds."""
        return sum(begin <= at < end for at in self.after.polls.get(unit, ()))

    def missing(self, units: Sequence[int]) -> float:
        """Give the percentage of readings once a second that *units* were not asked for.

        A reading may be half a second off its beat, as on a computer that is busy with others.
        """
        lost = 0
        for unit in units:
            ats = [at for at in self.after.polls.get(unit, ()) if at > self.before.at]
            seen = pairwise((self.before.at, *ats, self.after.at))
            lost += sum(max(0, round(after - before) - 1) for before, after in seen)
        return 100 * lost / (len(units) * self.span)


def ours(stack: ExitStack, row: Row, folder: Path, broker: int) -> Side:
    """Start a whole gateway, and a city that listens to it."""
    field = stack.enter_context(row.serving())
    site, city = lay(folder, row.ports(field), broker), stack.enter_context(of_ours(broker, City()))
    process = stack.enter_context(gateway(site))
    wait_for(site.socket)
    return Side("ours", field, process.pid, city)


def bare(stack: ExitStack, row: Row, folder: Path, broker: int) -> Side:
    """Start the bare loop; its modules are compiled where ours are."""
    field = stack.enter_context(row.serving())
    words = (str(field.ports[0]), str(broker), str(row.devices), str(REGISTERS))
    process = start(stack, "bench._bare", *words, environment=as_installed(folder / "compiled"))
    return Side(BARE, field, process.pid)


def thingsboard(stack: ExitStack, row: Row, folder: Path) -> Side:
    """Start ThingsBoard's gateway, with a broker and a city of its own."""
    field, broker = stack.enter_context(row.serving()), free_port()
    places = list(zip(row.ports(field), range(1, row.devices + 1), strict=True))
    room = folder / f"thingsboard-{row.name}"
    stack.enter_context(_thingsboard.brokering(room, broker))
    city = stack.enter_context(of_theirs(broker))
    process = stack.enter_context(_thingsboard.running(room, places, REGISTERS, broker))
    return Side(_thingsboard.NAME, field, process.pid, city)


def _spent(process: int) -> float:
    """Give the CPU seconds of *process*."""
    words = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICK
