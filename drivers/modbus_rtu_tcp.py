"""Modbus RTU through TCP: serial lines behind a converter in transparent mode.

Such a converter passes bytes on and knows nothing of Modbus. Where it can be set to "Modbus gateway", that
is better, and the driver is modbus-tcp. Reads only: no function that changes a device exists here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta
from msgspec.structs import replace

from agent.core.driver import Driver, Needs
from agent.core.duration import Duration
from drivers.modbus.line import Frame, character_seconds, rtu_cost
from drivers.modbus.plan import Cost
from drivers.modbus.settings import LED, ModbusLink

if TYPE_CHECKING:
    from drivers.modbus.way import Way

_NETWORK_MS = 2.0


class ModbusRtuTcp(ModbusLink, kw_only=True):
    """A converter that passes a serial line's bytes through TCP."""

    language: ClassVar[str] = "modbus-rtu"

    host: Annotated[str, Meta(description="Address or name of the converter.", min_length=1)]
    port: Annotated[int, Meta(description="TCP port on which it passes the line's bytes on.", ge=1, le=65535)]
    baud: Annotated[
        int, Meta(description="Bits a second, as set in the converter.", ge=300, le=4_000_000)
    ] = 9600
    frame: Annotated[
        Frame, Meta(description="Data bits, parity (N, E, O) and stop bits, as set in the converter.")
    ] = "8N1"
    connect_delay: Annotated[
        Duration, Meta(description="Pause between connecting and the first request; some converters need it.")
    ] = Duration(0)

    @property
    def endpoint(self) -> str:
        """The address with its port: two connections would disturb each other."""
        return f"{self.host.lower()} port {self.port}"

    def needs(self) -> Needs:
        """Give the one address that it calls."""
        return Needs(hosts=(self.host,))

    def led(self, host: str, port: int) -> Driver:
        """Give this link with its devices at another address, and little patience."""
        return replace(self, host=host, port=port, timeout=LED, connect_delay=Duration(0))

    def way(self) -> Way:
        """Give the way to the converter."""
        from drivers.modbus.way import TcpWay

        return TcpWay(self.host, self.port, rtu=True, character=character_seconds(self.baud, self.frame))

    def cost(self) -> Cost:
        """Foresee what a request costs."""
        serial = rtu_cost(self.baud, self.frame)
        return Cost(serial.request + _NETWORK_MS, serial.register)

    def pause(self) -> float:
        """Give the seconds between connecting and the first request."""
        return self.connect_delay
