"""Modbus TCP: devices with a network socket of their own, and serial ones behind a gateway.

Reads only: no function that changes a device exists here. One connection to each endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta
from msgspec.structs import replace

from agent.core.driver import Driver, Needs
from agent.core.duration import Duration
from drivers.modbus.plan import TCP, Cost
from drivers.modbus.settings import LED, ModbusLink

if TYPE_CHECKING:
    from drivers.modbus.way import Way


class ModbusTcp(ModbusLink, kw_only=True):
    """A Modbus TCP endpoint."""

    host: Annotated[str, Meta(description="Address or name of the device or gateway.", min_length=1)]
    port: Annotated[int, Meta(description="TCP port.", ge=1, le=65535)] = 502
    connect_delay: Annotated[
        Duration, Meta(description="Pause between connecting and the first request; some gateways need it.")
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
        """Give the way to the endpoint."""
        from drivers.modbus.way import TcpWay

        return TcpWay(self.host, self.port)

    def cost(self) -> Cost:
        """Foresee what a request costs."""
        return TCP

    def pause(self) -> float:
        """Give the seconds between connecting and the first request."""
        return self.connect_delay
