"""Modbus RTU on a serial port of this computer.

Reads only: no function that changes a device exists here. The port is opened for us alone, and a line on
which another master speaks is refused: two would spoil each other's frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from agent.core.driver import Driver, Needs
from agent.core.duration import Duration
from drivers.modbus.line import Frame, rtu_cost
from drivers.modbus.plan import Cost
from drivers.modbus.settings import LED, ModbusLink

if TYPE_CHECKING:
    from drivers.modbus.way import Way


class ModbusRtu(ModbusLink, kw_only=True):
    """A serial line with Modbus RTU devices."""

    language: ClassVar[str] = "modbus-rtu"

    path: Annotated[
        str,
        Meta(description="Serial port, best by its name in /dev/serial/by-id: numbers change.", min_length=1),
    ]
    baud: Annotated[int, Meta(description="Bits a second, as set on every device.", ge=300, le=4_000_000)] = (
        9600
    )
    frame: Annotated[
        Frame, Meta(description="Data bits, parity (N, E, O) and stop bits, as set on every device.")
    ] = "8N1"
    listen: Annotated[
        Duration,
        Meta(
            description="How long to listen for another master before the first request.",
            extra={"most": "1m"},
        ),
    ] = Duration(0.5)

    @property
    def endpoint(self) -> str:
        """The serial port: two masters would spoil each other's frames."""
        return self.path

    def needs(self) -> Needs:
        """Give the serial port."""
        return Needs(ports=(self.path,))

    def led(self, host: str, port: int) -> Driver:
        """Give the same frames over TCP, to another address."""
        from drivers.modbus_rtu_tcp import ModbusRtuTcp

        return ModbusRtuTcp(
            name=self.name,
            devices=self.devices,
            host=host,
            port=port,
            baud=self.baud,
            frame=self.frame,
            timeout=LED,
        )

    def way(self) -> Way:
        """Give the way to the line."""
        from drivers.modbus.serial_way import SerialWay

        return SerialWay(self.path, self.baud, self.frame)

    def cost(self) -> Cost:
        """Foresee what a request costs."""
        return rtu_cost(self.baud, self.frame)

    def listening(self) -> float:
        """Give the seconds for which another master is listened for before the first request."""
        return self.listen
