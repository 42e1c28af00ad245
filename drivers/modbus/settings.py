"""What all Modbus links have in common: their devices, how long they wait, and their life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from msgspec import Meta

from agent.core.breaker import BRIEF
from agent.core.clock import Clock
from agent.core.driver import Desk, Driver, Guess, LinkSettings, Poll, Reading, Riddle
from agent.core.duration import Duration
from agent.core.notes import Notes
from agent.core.point import Point
from agent.core.sample import Emit
from drivers.modbus.device import ModbusDevice
from drivers.modbus.plan import Block, Cost, Span
from drivers.modbus.request import FUNCTIONS

if TYPE_CHECKING:
    from agent.core.search import Held
    from drivers.modbus.figures import Figures
    from drivers.modbus.link import Link
    from drivers.modbus.reader import Reader
    from drivers.modbus.way import Way


LED: Final = Duration(0.2)
"""The patience of a link that is led to a spy on this computer."""


class ModbusLink(LinkSettings, kw_only=True):
    """A link to Modbus devices; what it runs over is said by those that extend it."""

    device_type: ClassVar[type[Any]] = ModbusDevice
    answers_probes: ClassVar[bool] = True
    language: ClassVar[str] = "modbus"

    timeout: Annotated[
        Duration,
        Meta(
            description="Longest wait for a reply; what a device usually needs is learnt.",
            extra={"least": "20ms", "most": "30s"},
        ),
    ] = Duration(3)

    def points(self) -> Sequence[Point]:
        """List every point of every device."""
        return [point for device in self.devices for point in device.described(self.location)]

    def plan(self) -> Sequence[Poll]:
        """List the requests of one cycle of each device, as planned before anything is learnt from it."""
        cost = self.cost()
        return [
            _poll(device, block, period, cost)
            for device in self.devices
            for period in device.periods
            for block in device.blocks(cost, period)
        ]

    async def run(self, emit: Emit, clock: Clock, desk: Desk) -> None:
        """Poll until cancelled; raise DriverError when the connection is lost or cannot be made."""
        from drivers.modbus.figures import Figures
        from drivers.modbus.poll import Poller

        async with self.link(clock, Figures(desk.figures)) as link:
            readers = self._readers(link, clock, desk.notes)
            poller = Poller(link, readers, emit, clock=clock, desk=desk)
            await poller.run(listen=self.listening())

    async def read(self, points: tuple[str, ...], clock: Clock) -> Sequence[Reading]:
        """Read *points* (empty: all) once, on a connection of its own; raise DriverError."""
        from drivers.modbus.poll import read

        async with self.link(clock) as link:
            return await read(self._readers(link, clock), points, clock)

    async def survey(
        self, device: str, facts: Sequence[Mapping[str, Any]], clock: Clock, *, name: str
    ) -> str:
        """Ask *device* by SunSpec what it measures; give a profile called *name* as TOML."""
        from drivers.modbus.sunspec import survey

        [asked] = [one for one in self.devices if one.name == device]
        async with self.link(clock) as link:
            return await survey(link, asked.unit, facts, name=name)

    async def explore(self, riddle: Riddle, clock: Clock, held: Held | None = None) -> Sequence[Guess]:
        """Read around the address of *riddle*, and give all that it may mean, the likeliest first."""
        from drivers.modbus.exploring import explored
        from drivers.modbus.probe import Remote

        known = [one for one in self.devices if one.name == riddle.device]
        if held is not None:
            return await explored(Remote(held, clock), riddle, known[0] if known else None)
        async with self.link(clock) as link:
            return await explored(link, riddle, known[0] if known else None)

    def link(self, clock: Clock, figures: Figures | None = None) -> Link:
        """Make the link; it is opened by its first question."""
        from drivers.modbus.figures import Figures
        from drivers.modbus.link import Link

        counted = figures or Figures({})
        return Link(self.way(), clock, counted, ceiling=self.timeout, connect_delay=self.pause())

    def led(self, host: str, port: int) -> Driver:
        """Give this link with its devices at another address, and little patience."""
        raise NotImplementedError

    def slips(self) -> Sequence[str]:
        """Try to put every function code that is no read into a frame; name each that was not refused."""
        from drivers.modbus.slips import slips

        return slips()

    def way(self) -> Way:
        """Give the way to the endpoint."""
        raise NotImplementedError

    def cost(self) -> Cost:
        """Foresee what a request costs."""
        raise NotImplementedError

    def pause(self) -> float:
        """Give the seconds between connecting and the first request."""
        return 0.0

    def listening(self) -> float:
        """Give the seconds for which another master is listened for before the first request."""
        return 0.0

    def _readers(self, link: Link, clock: Clock, notes: Notes | None = None) -> list[Reader]:
        from drivers.modbus.lore import Lore
        from drivers.modbus.reader import Reader

        lore, cost = Lore(notes or Notes(), clock, self.name), self.cost()
        lying: dict[tuple[int, str], list[Span]] = {}  # devices of a type share where their points lie
        readers, alone = [], len({one.unit for one in self.devices}) == 1
        for one in self.devices:
            kind = (id(one.points), one.addressing)
            spans = lying[kind] = lying.get(kind) or one.spans()
            # where late replies are taken anyway, nobody needs to be waited for in vain
            is_told = link.numbered and not one.manners.zero_transaction
            patience = BRIEF if is_told else self.timeout
            readers.append(
                Reader(one, link, clock, timeout=patience, cost=cost, lore=lore, spans=spans, alone=alone)
            )
        return readers


def _poll(device: ModbusDevice, block: Block, period: float, cost: Cost) -> Poll:
    return Poll(
        device=device.name,
        request=f"FC{FUNCTIONS[block.table]} {block.start}..{block.end - 1}",
        every=period,
        points=tuple(f"{device.name}.{span.name}" for span in block.spans),
        bus_ms=cost.of(block.table, block.size),
    )
