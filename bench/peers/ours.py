"""citygate in the comparison: windows of one second, whose least and greatest tell every reading in them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Final

from agent.demo.site import Site
from bench._site import as_installed, python
from bench.peers.sides import Command, Ports, Read, Side
from bench.peers.site import UNITS, addrs_of, point_of

_SITE: Final = """\
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
[clock]
wait = "0s"
[link.gateway]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {tcp}
timeout = "1s"
[link.converter]
driver = "modbus-rtu-tcp"
host = "127.0.0.1"
port = {rtu}
baud = 115200
timeout = "1s"
"""
_SHARING: Final = """\
[owner]
name = "City of Vaasa"
contact = "data@vaasa.example"
[recipient.city]
broker = "mqtt://127.0.0.1:{broker}"
[grant.bench]
recipient = "city"
products = ["gateway", "converter"]
purpose = "operations"
basis = "public-task"
keep = "1d"
[product.gateway]
from = ["d*.*"]
window = "{window}"
statistics = ["min", "max"]
[product.converter]
from = ["c*.*"]
window = "{window}"
statistics = ["min", "max"]
"""
_DEVICE: Final = (
    '[device.{name}{unit}]\nlink = "{link}"\nunit = {unit}\nprofile = "{profile}"\nevery = "1s"\n'
)
_PROFILE: Final = '[profile]\nvendor = "bench"\nmodel = "{model}"\nsources = ["bench/peers/field.py"]\n'
_POINT: Final = '[point.r{addr}]\naddr = {addr}\nsentinel = "none"\n'


def _lay(room: Path, ports: Ports, *, window: str) -> Command:
    site = Site(room)
    for one in (site.config, site.state, site.socket.parent):
        one.mkdir(parents=True)
    devices = [
        _DEVICE.format(name=name, unit=unit, link=link, profile=profile)
        for name, link, profile in (("d", "gateway", "bench/hundred"), ("c", "converter", "bench/blocks"))
        for unit in range(1, UNITS[name] + 1)
    ]
    text = _SITE.format(tcp=ports.tcp, rtu=ports.rtu)
    (site.config / "site.toml").write_text("".join((text, *devices)), "utf-8")
    text = _SHARING.format(broker=ports.broker, window=window)
    (site.config / "sharing.toml").write_text(text, "utf-8")
    profiles = site.config / "profiles" / "bench"
    profiles.mkdir(parents=True)
    for model, kind in (("hundred", "d"), ("blocks", "c")):
        points = [_POINT.format(addr=addr) for addr in addrs_of(kind)]
        (profiles / f"{model}.toml").write_text("".join((_PROFILE.format(model=model), *points)), "utf-8")
    told = {  # as systemd tells it
        "CONFIGURATION_DIRECTORY": str(site.config),
        "STATE_DIRECTORY": str(site.state),
        "RUNTIME_DIRECTORY": str(site.socket.parent),
    }
    environment = as_installed(room / "compiled") | told
    return Command(words=[python(room), "-P", "-m", "agent", "run"], environment=environment)


def _read(topic: str, body: bytes) -> Read:
    told = json.loads(body)
    if told.get("k") != "batch":
        return
    begin = datetime.fromisoformat(told["t"]).timestamp()
    n, least, most = (told["c"].index(name) for name in ("n", "min", "max"))
    for row in told["r"]:
        device, _, register = row[0].partition(".")
        point = point_of(device, int(register[1:]))
        for number in range(row[n] or 0):  # of more than two the inner ones are not told apart
            yield point, begin + number / 100, int(row[most] if number else row[least])


def _nothing() -> None:
    """Need no installation."""


SIDES: Final = (
    Side(
        name="citygate",
        title="citygate",
        short="citygate",
        settings="windows of one second, least and greatest value, which tell what the others tell",
        missing=str,
        install=_nothing,
        lay=lambda room, ports: _lay(room, ports, window="1s"),
        read=_read,
    ),
    Side(
        name="citygate_minute",
        title="citygate as it is meant",
        short="citygate, 1 min",
        settings="windows of one minute, least and greatest value",
        missing=str,
        install=_nothing,
        lay=lambda room, ports: _lay(room, ports, window="1m"),
        read=_read,
        judged=False,
    ),
)
