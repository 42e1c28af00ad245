"""The demo's meter and broker for measurements, and a gateway beside them; all on loopback, all ended after.

The site is smaller than the demo's: one Modbus link and one product, so that figures stay comparable.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from collections.abc import Iterator
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path

from agent.demo.broker import free_port
from agent.demo.site import Site

_ROOT = Path(__file__).parent.parent
_UNIT = _ROOT / "systemd" / "citygate.service"
_WRITES_NONE = "PYTHONDONTWRITEBYTECODE"
_SITE = """\
[site]
city = "demo-city"
id = "library"
gateway = "gw1"
timezone = "Europe/Helsinki"
[clock]
wait = "0s"
[link.plant-room]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {meter}
[device.main-meter]
link = "plant-room"
unit = 1
profile = "eastron/sdm630"
every = "1s"
"""
_SHARING = """\
[owner]
name = "Demo City"
contact = "data@demo-city.example"
[product.energy]
from = ["main-meter.active_power", "main-meter.import_energy"]
window = "5s"
statistics = ["mean", "max", "last", "delta"]
[recipient.city]
broker = "mqtt://127.0.0.1:{broker}"
[grant.city-demo]
recipient = "city"
products = ["energy"]
purpose = "demo"
basis = "public-task"
keep = "1d"
"""


@contextlib.contextmanager
def peers() -> Iterator[tuple[Site, int]]:
    """Run the demo's meter and broker; give the site laid for them and the broker's port."""
    with tempfile.TemporaryDirectory(prefix="citygate-bench-") as name, contextlib.ExitStack() as stack:
        room = Path(name)
        meter = start(stack, "agent.demo.meter", "--truth", str(room / "truth.jsonl"))
        assert meter.stdout is not None
        port = free_port()
        start(stack, "agent.demo.broker", "--port", str(port), "--settings", str(room / "broker.toml"))
        yield _lay(room, meter=int(meter.stdout.readline().split()[1]), broker=port), port


def meter_port(site: Site) -> int:
    """Give the port of the site's meter."""
    told = tomllib.loads((site.config / "site.toml").read_text("utf-8"))
    return int(told["link"]["plant-room"]["port"])


def _lay(folder: Path, *, meter: int, broker: int) -> Site:
    site = Site(folder)
    for one in (site.config, site.state, site.socket.parent):
        one.mkdir(parents=True, exist_ok=True)
    (site.config / "site.toml").write_text(_SITE.format(meter=meter), encoding="utf-8")
    (site.config / "sharing.toml").write_text(_SHARING.format(broker=broker), encoding="utf-8")
    return site


def as_installed(compiled: Path) -> dict[str, str]:
    """Give the environment of a real gateway: the unit's own, and modules compiled once, into *compiled*."""
    lines = _UNIT.read_text("utf-8").splitlines()
    said = [line.removeprefix("Environment=").split() for line in lines if line.startswith("Environment=")]
    unit = dict(word.split("=", 1) for words in said for word in words)
    kept = {name: value for name, value in {**os.environ, **unit}.items() if name != _WRITES_NONE}
    return {**kept, "PYTHONPYCACHEPREFIX": str(compiled)}


def python(folder: Path) -> str:
    """Give an interpreter that sees what the package needs, and nothing that development adds."""
    place = folder / "installed"
    if not place.exists():
        venv.create(place, symlinks=True)
        (packages,) = place.glob("lib/python*/site-packages")
        for wanted in requires("citygate") or []:
            if "extra ==" not in wanted and (found := find_spec(re.split(r"[^\w.-]", wanted)[0])):
                for one in found.submodule_search_locations or []:
                    (packages / found.name).symlink_to(one)
        (packages / "citygate.pth").write_text(f"{_ROOT}\n", encoding="utf-8")
    return str(place / "bin" / "python")


def warm(site: Site) -> None:
    """Let a first gateway compile all modules, and end it."""
    with gateway(site):
        wait_for(site.socket)
        time.sleep(3)


@contextlib.contextmanager
def gateway(site: Site) -> Iterator[subprocess.Popen[str]]:
    """Run `citygate run` on *site*, as its unit does."""
    told = {  # as systemd tells it
        "CONFIGURATION_DIRECTORY": str(site.config),
        "STATE_DIRECTORY": str(site.state),
        "RUNTIME_DIRECTORY": str(site.socket.parent),
    }
    with contextlib.ExitStack() as stack:
        environment = as_installed(site.folder / "compiled") | told
        yield start(stack, "agent", "run", environment=environment, interpreter=python(site.folder))


def wait_for(path: Path, seconds: float = 20) -> None:
    """Wait until *path* exists; raise TimeoutError."""
    until = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(path)
        time.sleep(0.02)


def start(
    stack: contextlib.ExitStack,
    *words: str,
    environment: dict[str, str] | None = None,
    interpreter: str = sys.executable,
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [interpreter, "-P", "-m", *words],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=environment,
    )  # fmt: skip
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process
