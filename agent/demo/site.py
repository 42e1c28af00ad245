"""The demo's folder: a copy of the template, in which only hosts and ports are the kernel's choice."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct

from agent.core.errors import GatewayError
from agent.demo.air_handler import free_udp_port
from agent.demo.footage import Footage
from agent.resources import resource

_BROKER: Final = "mqtt://127.0.0.1:1883"
_PLACES: Final = """\
# where the demo's devices listen this time, and a free port for the gateway's own BACnet
[link.plant-room]
port = {meter}
[link.bms]
port = {own}
[device.ahu-1]
address = "127.0.0.1:{bacnet}"
"""
_STREAM: Final = """\
[link.street]
source = "rtsp://127.0.0.1:{camera}/{clip}?play_count=0"
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


class Ports(Struct, frozen=True, kw_only=True):
    """Where the devices and the broker listen on loopback."""

    meter: int
    bacnet: int
    broker: int
    camera: int = 0


def lay(folder: Path, ports: Ports, footage: Footage | None = None) -> Site:
    """Copy the template into *folder*, with those *ports*; the camera is in it only with its *footage*."""
    site = Site(folder)
    for one in (site.config / "site.d", site.state, site.socket.parent):
        one.mkdir(parents=True, exist_ok=True)
    template = resource("config/templates/demo")
    names = ["site.toml", "sharing.toml"]
    places = _PLACES.format(meter=ports.meter, bacnet=ports.bacnet, own=free_udp_port())
    if footage is not None:
        names += ["camera/camera.toml", "camera/people.toml"]
        places += _STREAM.format(camera=ports.camera, clip=footage.clip.name)
        _lend(footage.model, site.state / "models")
    for name in names:
        text = template.joinpath(name).read_text(encoding="utf-8")
        if name == "sharing.toml" and _BROKER not in text:
            raise GatewayError(f"the demo's sharing.toml no longer names {_BROKER}")
        text = text.replace(_BROKER, f"mqtt://127.0.0.1:{ports.broker}")
        (site.config / Path(name).name).write_text(text, encoding="utf-8")
    (site.config / "site.d" / "ports.toml").write_text(places, encoding="utf-8")
    return site


def _lend(model: Path, to: Path) -> None:
    """Let the installed model be found without a second copy of its 30 MB."""
    to.mkdir(exist_ok=True)
    place = to / model.name
    place.unlink(missing_ok=True)
    place.symlink_to(model.absolute())
