"""collectd in the comparison: Debian's, with its plug-ins modbus and mqtt; it speaks no RTU through TCP."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from bench.peers.sides import Command, Ports, Read, Side
from bench.peers.site import REGISTERS, UNITS, point_of

_SETTINGS: Final = """\
Hostname "site"
FQDNLookup false
Interval 1
BaseDir "{room}"
PIDFile "{room}/pid"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin modbus
LoadPlugin mqtt
<Plugin modbus>
{registers}
  <Host "field">
    Address "127.0.0.1"
    Port "{tcp}"
    Interval 1
{units}
  </Host>
</Plugin>
<Plugin mqtt>
  <Publish "city">
    Host "127.0.0.1"
    Port {broker}
    ClientId "collectd"
    QoS 1
    Prefix "gateways"
    StoreRates false
  </Publish>
</Plugin>
"""
_REGISTER: Final = """\
  <Data "r{addr}">
    RegisterBase {addr}
    RegisterType Uint16
    Type gauge
    Instance "r{addr}"
  </Data>"""


def _missing() -> str:
    found = shutil.which("collectd") or Path("/usr/sbin/collectd").exists()
    return (
        ""
        if found
        else "is not installed (Debian, as root: apt-get install --no-install-recommends collectd-core)"
    )


def _install() -> None:
    """Leave it to a person: it comes with the system's packages."""


def _lay(room: Path, ports: Ports) -> Command:
    registers = [_REGISTER.format(addr=addr) for addr in range(REGISTERS)]
    collect = "\n".join(f'      Collect "r{addr}"' for addr in range(REGISTERS))
    units = [
        f'    <Slave {unit}>\n      Instance "d{unit}"\n{collect}\n    </Slave>'
        for unit in range(1, UNITS["d"] + 1)
    ]
    text = _SETTINGS.format(
        room=room, registers="\n".join(registers), units="\n".join(units), tcp=ports.tcp, broker=ports.broker
    )
    (room / "collectd.conf").write_text(text, "utf-8")
    program = shutil.which("collectd") or "/usr/sbin/collectd"
    return Command(words=[program, "-f", "-C", str(room / "collectd.conf")])


def _read(topic: str, body: bytes) -> Read:
    """Read `gateways/field/modbus-d3/gauge-r17` and `1795291200.123:42`, which ends with a zero."""
    _, _, plugin, kind = topic.split("/")
    stamp, _, value = body.rstrip(b"\0").partition(b":")
    device, register = plugin.partition("-")[2], kind.rpartition("r")[2]
    yield point_of(device, int(register)), float(stamp), int(float(value))


SIDE: Final = Side(
    name="collectd",
    title="collectd 5.12 of Debian",
    settings="plug-ins `modbus` and `mqtt`, `QoS 1`, `StoreRates false`; the gateway's units only",
    short="collectd",
    missing=_missing,
    install=_install,
    lay=_lay,
    read=_read,
    rtu=False,
)
