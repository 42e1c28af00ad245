"""Modbus/TCP Security: Modbus TCP inside TLS, each side with a certificate.

Reads only: no function that changes a device exists here. A device whose certificate is not signed by the
named authority is refused, and so is an unencrypted connection: there is no way back to plain Modbus.
Source: MODBUS/TCP Security Protocol Specification, MB-TCP-Security-v21.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from agent.core.driver import Driver, Needs
from agent.core.duration import Duration
from drivers.modbus.plan import TCP, Cost
from drivers.modbus.settings import LED, ModbusLink

if TYPE_CHECKING:
    from drivers.modbus.way import Way


class ModbusTls(ModbusLink, kw_only=True):
    """A Modbus endpoint that speaks TLS."""

    host: Annotated[str, Meta(description="Address or name of the device or gateway.", min_length=1)]
    port: Annotated[int, Meta(description="TCP port.", ge=1, le=65535)] = 802
    ca: Annotated[
        str, Meta(description="Authority that signed the device's certificate: a file or credential:NAME.")
    ]
    certificate: Annotated[
        str, Meta(description="Our own certificate, and those between: a file or credential:NAME.")
    ]
    key: Annotated[
        str, Meta(description="Our private key: credential:NAME, or a file that only the gateway may read.")
    ]
    server_name: Annotated[
        str, Meta(description="Name in the device's certificate, where it is not `host`.")
    ] = ""
    connect_delay: Annotated[
        Duration, Meta(description="Pause between connecting and the first request; some gateways need it.")
    ] = Duration(0)

    @property
    def endpoint(self) -> str:
        """The address with its port: two connections would disturb each other."""
        return f"{self.host.lower()} port {self.port}"

    def needs(self) -> Needs:
        """Give the one address that it calls, and what ends one day."""
        shown = (("authority", self.ca), ("client certificate", self.certificate))
        return Needs(hosts=(self.host,), certificates=shown)

    def led(self, host: str, port: int) -> Driver:
        """Give the same requests without TLS: a spy has no certificate of this site."""
        from drivers.modbus_tcp import ModbusTcp

        return ModbusTcp(name=self.name, devices=self.devices, host=host, port=port, timeout=LED)

    def way(self) -> Way:
        """Give the way to the endpoint; raise DriverError when a certificate cannot be read."""
        from drivers.modbus.tls import context
        from drivers.modbus.way import TcpWay

        ours = context(self.ca, self.certificate, self.key)
        return TcpWay(self.host, self.port, tls=(ours, self.server_name or self.host))

    def cost(self) -> Cost:
        """Foresee what a request costs."""
        return TCP

    def pause(self) -> float:
        """Give the seconds between connecting and the first request."""
        return self.connect_delay
