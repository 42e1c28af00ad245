"""The demo's folder: a copy of the template, in which only hosts and ports are the kernel's choice."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct

from agent.core.errors import GatewayError
from agent.demo.air_handler import free_udp_port
from agent.resources import resource

_BROKER: Final = "mqtt://127.0.0.1:1883"
_PORTS: Final = """\
# where the demo's devices listen this time, and a free port for the gateway's own BACnet
[link.plant-room]
port = {meter}
[link.bms]
port = {own}
[device.ahu-1]
address = "127.0.0.1:{bacnet}"
"""


class Site(Struct, frozen=True):
    """Where the demo's files lie."""

    folder: Path

    @property
    def config(self) -> Path:
        """The folder that `citygate run` reads."""
        return self.folder / "config"

    @property
    def state(self) -> Path:
        """The folder of the outbox."""
        return self.folder / "state"

    @property
    def socket(self) -> Path:
        """The gateway's control socket."""
        return self.folder / "run" / "control.sock"

    @property
    def truth(self) -> Path:
        """The meter's log of what it served."""
        return self.folder / "truth.jsonl"

    @property
    def received(self) -> Path:
        """The city's file of what arrived as data."""
        return self.folder / "received.txt"

    def environment(self) -> dict[str, str]:
        """Give the variables by which every `citygate` command finds this site."""
        return {
            "CONFIGURATION_DIRECTORY": str(self.config),
            "STATE_DIRECTORY": str(self.state),
            "RUNTIME_DIRECTORY": str(self.socket.parent),
        }


def lay(folder: Path, *, meter: int, bacnet: int, broker: int) -> Site:
    """Copy the template into *folder*, with the ports of the devices and of the broker."""
    site = Site(folder)
    for one in (site.config / "site.d", site.state, site.socket.parent):
        one.mkdir(parents=True, exist_ok=True)
    template = resource("config/templates/demo")
    for name in ("site.toml", "sharing.toml"):
        text = template.joinpath(name).read_text(encoding="utf-8")
        if name == "sharing.toml" and _BROKER not in text:
            raise GatewayError(f"the demo's sharing.toml no longer names {_BROKER}")
        text = text.replace(_BROKER, f"mqtt://127.0.0.1:{broker}")
        (site.config / name).write_text(text, encoding="utf-8")
    drop_in = site.config / "site.d" / "ports.toml"
    ports = _PORTS.format(meter=meter, bacnet=bacnet, own=free_udp_port())
    drop_in.write_text(ports, encoding="utf-8")
    return site
