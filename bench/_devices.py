"""A site of many equal devices for measurements: a hundred registers each, once a second, ten a product."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from agent.demo.site import Site

REGISTERS = 100
WINDOW = 5.0
_TOGETHER = 10  # devices in a product: what describes it must fit one message
_SITE = """\
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
[clock]
wait = "0s"
"""
_SHARING = """\
[owner]
name = "City of Vaasa"
contact = "data@vaasa.example"
[recipient.city]
broker = "mqtt://127.0.0.1:{broker}"
encoding = "native"
[grant.bench]
recipient = "city"
products = {products}
purpose = "operations"
basis = "public-task"
keep = "1d"
"""
_PRODUCT = """\
[product.{name}]
from = {devices}
window = "5s"
statistics = ["mean", "max"]
"""
_LINK = '[link.l{port}]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}\n'
_DEVICE = '[device.d{unit}]\nlink = "l{port}"\nunit = {unit}\nprofile = "bench/hundred"\nevery = "1s"\n'
_PROFILE = '[profile]\nvendor = "bench"\nmodel = "hundred"\nsources = ["this file", "bench/_field.py"]\n'
_POINT = '[point.r{addr}]\naddr = {addr}\nsentinel = "none"\n'


def lay(folder: Path, ports: Sequence[int], broker: int) -> Site:
    """Write a site into *folder* in the place of an older one; unit *n* is behind the *n*-th of *ports*."""
    site = Site(folder)
    for one in (site.config, site.state, site.socket.parent):
        shutil.rmtree(one, ignore_errors=True)
        one.mkdir(parents=True)
    devices = [_DEVICE.format(unit=unit, port=port) for unit, port in enumerate(ports, 1)]
    links = [_LINK.format(port=port) for port in sorted(set(ports))]
    (site.config / "site.toml").write_text("".join((_SITE, *links, *devices)), "utf-8")
    (site.config / "sharing.toml").write_text(_sharing(len(ports), broker), "utf-8")
    profile = site.config / "profiles" / "bench" / "hundred.toml"
    profile.parent.mkdir(parents=True)
    points = [_POINT.format(addr=addr) for addr in range(REGISTERS)]
    profile.write_text("".join((_PROFILE, *points)), "utf-8")
    return site


def _sharing(devices: int, broker: int) -> str:
    products = {
        f"p{first}": [f"d{unit}.*" for unit in range(first, min(first + _TOGETHER, devices + 1))]
        for first in range(1, devices + 1, _TOGETHER)
    }
    tables = [_PRODUCT.format(name=name, devices=json.dumps(names)) for name, names in products.items()]
    return _SHARING.format(broker=broker, products=json.dumps(list(products))) + "".join(tables)
