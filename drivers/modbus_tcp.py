"""Modbus TCP: devices with a network socket of their own, and serial ones behind a gateway.

Reads only: no function that changes a device exists here. One connection to each endpoint.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from agent.core.clock import Clock
from agent.core.driver import Desk, Found, LinkSettings, Poll, Reading
from agent.core.duration import Duration
from agent.core.point import Point
from agent.core.sample import Emit
from drivers.modbus.device import ModbusDevice
from drivers.modbus.plan import TCP, Block
from drivers.modbus.request import FUNCTIONS

if TYPE_CHECKING:
    from drivers.modbus.figures import Figures
    from drivers.modbus.link import TcpLink
    from drivers.modbus.reader import Reader


class ModbusTcp(LinkSettings, kw_only=True):
    """A Modbus TCP endpoint."""

    device_type: ClassVar[type[Any]] = ModbusDevice

    host: Annotated[str, Meta(description="Address or name of the device or gateway.", min_length=1)]
    port: Annotated[int, Meta(description="TCP port.", ge=1, le=65535)] = 502
    timeout: Annotated[
        Duration, Meta(description="How long to wait for a reply.", extra={"least": "50ms"})
    ] = Duration(1)
    connect_delay: Annotated[
        Duration, Meta(description="Pause between connecting and the first request; some gateways need it.")
    ] = Duration(0)

    def points(self) -> Sequence[Point]:
        """List every point of every device."""
        return [point for device in self.devices for point in device.described(self.location)]

    def plan(self) -> Sequence[Poll]:
        """List the requests of one cycle of each device, as planned before anything is learnt from it."""
        return [_poll(device, block) for device in self.devices for block in device.blocks(TCP)]

    async def run(self, emit: Emit, clock: Clock, desk: Desk) -> None:
        """Poll until cancelled; raise DriverError when the connection is lost or cannot be made."""
        from drivers.modbus.figures import Figures
        from drivers.modbus.poll import Poller

        async with self._link(clock, Figures(desk.figures)) as link:
            await Poller(link, self._readers(link, clock), emit, clock=clock, desk=desk).run()

    async def read(self, points: tuple[str, ...], clock: Clock) -> Sequence[Reading]:
        """Read *points* (empty: all) once, on a connection of its own; raise DriverError."""
        from drivers.modbus.figures import Figures
        from drivers.modbus.poll import read

        async with self._link(clock, Figures({})) as link:
            return await read(self._readers(link, clock), points, clock)

    async def scan(self, clock: Clock) -> AsyncIterator[Found]:
        """Look for units behind this endpoint; raise DriverError when it is out of reach."""
        from drivers.modbus.figures import Figures
        from drivers.modbus.scan import scan

        link = self._link(clock, Figures({}))
        try:
            async with aclosing(scan(link, self.name, min(0.3, self.timeout))) as found:
                async for one in found:
                    yield one
        finally:
            link.close()

    def _link(self, clock: Clock, figures: Figures) -> TcpLink:
        from drivers.modbus.link import Endpoint, TcpLink  # pymodbus: only a running link needs it

        return TcpLink(Endpoint(self.host, self.port, self.timeout, self.connect_delay), clock, figures)

    def _readers(self, link: TcpLink, clock: Clock) -> list[Reader]:
        from drivers.modbus.reader import Reader

        return [Reader(device, link, clock, timeout=self.timeout) for device in self.devices]


def _poll(device: ModbusDevice, block: Block) -> Poll:
    return Poll(
        device=device.name,
        request=f"FC{FUNCTIONS[block.table]} {block.start}..{block.end - 1}",
        every=float(device.every),
        points=tuple(f"{device.name}.{span.name}" for span in block.spans),
        bus_ms=TCP.of(block.table, block.size),
    )
