"""Looks for Modbus units on hosts, in subnets and on serial ports.

Reads only, one request at a time on each line. What the running gateway holds is asked through it. Nothing
is sent on a serial line before it has been silent for `listen`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from msgspec import Meta
from msgspec.structs import replace

from agent.core.clock import Clock
from agent.core.duration import Duration
from agent.core.errors import ConfigError
from agent.core.search import Facts, Held, Search, Tell

if TYPE_CHECKING:
    from drivers.modbus.hosts import Door
    from drivers.modbus.settings import ModbusLink
    from drivers.modbus.targets import Endpoint

_PORTS: Final = {"tcp": 502, "tls": 802, "rtu": None}
_DRIVERS: Final = {"tcp": "modbus-tcp", "tls": "modbus-tls", "rtu": "modbus-rtu-tcp"}


class Modbus(Search):
    """Modbus units on hosts, in subnets and on serial ports.

    For example:
      citygate scan modbus 10.20.0.15
      citygate scan modbus 10.20.0.0/24 --units 1-10,255
      citygate scan modbus 10.20.0.31:4001 --over rtu --baud 19200
      citygate scan modbus /dev/serial/by-id/usb-FTDI_RS485-if00-port0 --frame 8E1
    """

    targets: Annotated[
        tuple[str, ...],
        Meta(
            description="Host, host:port, subnet (10.20.0.0/24) or path of a serial port.",
            extra={"metavar": "TARGET"},
            min_length=1,
        ),
    ]
    over: Annotated[
        Literal["tcp", "rtu", "tls"],
        Meta(description="What hosts speak: tcp, rtu (a converter that passes bytes on) or tls."),
    ] = "tcp"
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="TCP port where a target names none; 502, with tls 802."),
    ] = None
    units: Annotated[
        str, Meta(description="Unit numbers to ask; else 1-247, on a network also 255 and 0.")
    ] = ""
    wait: Annotated[Duration, Meta(description="How long each unit may take to answer.")] = Duration(0.3)
    thorough: Annotated[
        bool, Meta(description="Ask those who are silent a second time, and wait at least 600ms.")
    ] = False
    knock: Annotated[
        Duration, Meta(description="How long each address of a subnet may take to open a connection.")
    ] = Duration(2)
    at_once: Annotated[int, Meta(description="How many hosts are searched at a time.", ge=1, le=64)] = 16
    baud: Annotated[int, Meta(description="Bits a second of a serial line.", ge=300, le=4_000_000)] = 9600
    frame: Annotated[
        Literal["8N1", "8E1", "8O1", "8N2"], Meta(description="Data bits, parity and stop bits of it.")
    ] = "8N1"
    listen: Annotated[
        Duration, Meta(description="How long to listen on a serial line before the first byte.")
    ] = Duration(10)
    ca: Annotated[str, Meta(description="With tls: file with the authority of the devices.")] = ""
    certificate: Annotated[str, Meta(description="With tls: file with our own certificate.")] = ""
    key: Annotated[str, Meta(description="With tls: file with our private key.")] = ""
    server_name: Annotated[
        str, Meta(description="With tls: name in the device's certificate, where it is not the host.")
    ] = ""

    async def search(self, facts: Facts, clock: Clock, tell: Tell) -> None:
        """Search ports, then hosts; raise ConfigError when the words cannot be meant."""
        from drivers.modbus import hosts, ports, targets
        from drivers.searches import _modbus

        if self.over == "tls" and not (self.ca and self.certificate and self.key):
            raise ConfigError("--over tls needs --ca, --certificate and --key, each a file")
        paths = [one for one in self.targets if targets.is_path(one)]
        others = [one for one in self.targets if not targets.is_path(one)]
        ends = targets.endpoints(others, self.port or _PORTS[self.over])
        held = await facts.held()
        if paths:
            around = _modbus.around(self, facts, clock, tell, serial=True)
            lines = [_modbus.port_of(path, held, clock) for path in dict.fromkeys(paths)]
            await ports.search(lines, around, ports.Looking(((self.baud, self.frame),), self.listen))
        if ends:
            around = _modbus.around(self, facts, clock, tell, serial=self.over == "rtu")
            homes = await hosts.homes(held)
            doors = [self._door(one, await hosts.holder(one, homes), clock) for one in ends]
            listen = float(self.listen) if self.over == "rtu" else 0.0
            await hosts.search(doors, around, at_once=self.at_once, knock=self.knock, listen=listen)

    def _door(self, end: Endpoint, held: Held | None, clock: Clock) -> Door:
        """Say how *end* is reached."""
        from drivers.modbus.hosts import Door
        from drivers.modbus.scan import Place
        from drivers.searches import _modbus

        table = self._table(end)
        place = Place(str(end), table, "modbus-" + re.sub(r"[^a-z0-9]+", "-", end.host.casefold()).strip("-"))
        if held is not None:
            place = replace(place, on=held.name)
        ears = _modbus.converter(end.host, end.port) if self.over == "rtu" else None
        return Door(end, place, lambda: self._driver(table).link(clock), held, ears)

    def _table(self, end: Endpoint) -> dict[str, Any]:
        """Give the link's table for *end*."""
        table: dict[str, Any] = {"driver": _DRIVERS[self.over], "host": end.host}
        if end.port != _PORTS[self.over]:
            table["port"] = end.port
        if self.over == "rtu":
            usual = {"baud": 9600, "frame": "8N1"}
            table |= {key: value for key in usual if (value := getattr(self, key)) != usual[key]}
        if self.over == "tls":
            table |= {"ca": self.ca, "certificate": self.certificate, "key": self.key}
            table |= {"server_name": self.server_name} if self.server_name else {}
        return table

    def _driver(self, table: dict[str, Any]) -> ModbusLink:
        """Make the driver whose table is *table*."""
        from drivers.modbus_rtu_tcp import ModbusRtuTcp
        from drivers.modbus_tcp import ModbusTcp
        from drivers.modbus_tls import ModbusTls

        kinds: dict[str, type[ModbusLink]] = {"tcp": ModbusTcp, "rtu": ModbusRtuTcp, "tls": ModbusTls}
        return kinds[self.over](**{key: value for key, value in table.items() if key != "driver"})
