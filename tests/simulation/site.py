"""The configuration of the simulated site, written as people write it; its grants may change."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.simulation.meters import APART, Places

POWER, ENERGY = 60.0, 300.0
"""Windows of the two products, in seconds."""

_SITE: Final = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
timezone = "Europe/Helsinki"
[clock]
wait = "0s"
[outbox]
cap = "{cap}"
keep = "30d"
"""
_LINK: Final = '[link.{name}]\ndriver = "modbus-tcp"\nhost = "10.0.0.{n}"\n'
_DEVICE: Final = """
[device.m{n}]
link = "{link}"
unit = {n}
every = "{every}"
[device.m{n}.points]
power = {{ addr = {places.power}, type = "u32", unit = "W" }}
energy = {{ addr = {places.energy}, type = "u32", unit = "kW.h", kind = "counter" }}
secret = {{ addr = {places.secret}, type = "u32" }}
"""
_SHARING: Final = """
[owner]
name = "City of Vaasa"
contact = "data@vaasa.example"
[product.power]
from = ["*.power"]
window = "{power}"
statistics = ["mean", "max"]
[product.energy]
from = ["*.energy"]
window = "{energy}"
statistics = ["delta", "last"]
[recipient.city]
broker = "mqtt://10.9.0.1"
[recipient.lab]
broker = "mqtt://10.9.0.2"
rate = 5
"""
_GRANT: Final = """
[grant.{name}]
recipient = "{name}"
products = {products}
purpose = "operations"
basis = "public-task"
keep = "30d"
"""
SHARES: Final = ({"city": ("energy", "power"), "lab": ("power",)}, {"city": ("power",), "lab": ("power",)},
                 {"city": ("energy", "power")})  # fmt: skip
"""Which products each recipient may have; the first is what the simulation begins and ends with."""


def write_site(
    folder: Path,
    *,
    links: dict[str, tuple[int, ...]],
    every: str,
    cap: str = "64MB",
    places: Places = APART,
) -> None:
    """Write site.toml: *links* by name, with the units behind each, whose registers are at *places*."""
    folder.mkdir(parents=True, exist_ok=True)
    text = _SITE.format(cap=cap)
    for number, (name, units) in enumerate(links.items(), 1):
        text += _LINK.format(name=name, n=number)
        text += "".join(_DEVICE.format(n=unit, link=name, every=every, places=places) for unit in units)
    (folder / "site.toml").write_text(text, encoding="utf-8")


def write_sharing(
    folder: Path, share: int = 0, *, windows: tuple[str, str] = ("1m", "5m"), broken: bool = False
) -> None:
    """Write sharing.toml with one of ``SHARES``; *broken*: with a fault."""
    grants = (
        _GRANT.format(name=name, products=list(products)).replace("'", '"')
        for name, products in SHARES[share].items()
    )
    text = _SHARING.format(power=windows[0], energy=windows[1]) + "".join(grants)
    (folder / "sharing.toml").write_text(text.replace("basis", "bassis") if broken else text, "utf-8")
