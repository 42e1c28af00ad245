"""Two subnets with a router between them, devices on both, and a gateway: all inside one computer.

Runs as a program in a network and a mount namespace of its own (``unshare --map-root-user --net --mount``),
so that it needs no rights, leaves nothing behind, and every host has port 47808 to itself. It plays some
scenes and prints what the gateway saw as JSON::

    10.99.0.0/24: router .1, gw .2, d1 .11 and d2 .12 (both device 1011)
    10.98.0.0/24: router .1, bbmd .5 (device 2040)
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.core.clock import SystemClock
from agent.core.driver import Desk
from agent.core.errors import DriverError
from agent.core.sample import Sample

ROOT = Path(__file__).parents[3]
HOSTS = {"gw": "10.99.0.2/24", "d1": "10.99.0.11/24", "d2": "10.99.0.12/24", "bbmd": "10.98.0.5/24"}
LINK = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
timezone = "Europe/Helsinki"
[link.bms]
driver = "bacnet-ip"
interface = "{interface}"
timeout = "300ms"
{more}
[device.ahu-1]
link = "bms"
instance = {instance}
every = "500ms"
[device.ahu-1.points]
supply = {{ object = "analog-input,3", unit = "Cel" }}
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def inside(host: str, *words: str) -> list[str]:
    return ["ip", "netns", "exec", host, *words]


def build() -> None:
    """Lay the cables."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    for switch in ("s99", "s98"):
        ip("link", "add", switch, "type", "bridge")
        ip("link", "set", switch, "up")
    ip("netns", "add", "router")
    for net in ("99", "98"):
        plug("router", f"r{net}", f"s{net}", f"10.{net}.0.1/24")
    subprocess.run(inside("router", "sysctl", "-qw", "net.ipv4.ip_forward=1"), check=True)
    for host, address in HOSTS.items():
        ip("netns", "add", host)
        net = address[3:5]
        plug(host, "eth0", f"s{net}", address)
        subprocess.run(inside(host, "ip", "route", "add", "default", "via", f"10.{net}.0.1"), check=True)


def plug(host: str, card: str, switch: str, address: str) -> None:
    cable = f"c-{host}-{card}"
    ip("link", "add", cable, "type", "veth", "peer", "name", card, "netns", host)
    ip("link", "set", cable, "master", switch, "up")
    for words in (("link", "set", "lo", "up"), ("addr", "add", address, "brd", "+", "dev", card)):
        subprocess.run(inside(host, "ip", *words), check=True)
    subprocess.run(inside(host, "ip", "link", "set", card, "up"), check=True)


@contextmanager
def device(host: str, instance: int, **more: Any) -> Iterator[None]:  # noqa: ANN401
    """Run a device of rusty-bacnet on *host*, where every BACnet device listens."""
    address = HOSTS[host].partition("/")[0]
    spec = {"instance": instance, "analog_input": 5, "interface": address, "port": 47808, **more}
    spec["broadcast"] = address.rpartition(".")[0] + ".255"
    script = str(ROOT / "tests" / "peers" / "rusty_bacnet_process.py")
    words = inside(host, sys.executable, script, json.dumps(spec))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def read(folder: Path, interface: str, *, instance: int = 1011, more: str = "") -> list[Any]:
    """Have the gateway read its device once; give value and reason."""
    (folder / "site.toml").write_text(LINK.format(interface=interface, instance=instance, more=more))
    words = inside("gw", sys.executable, "-m", "agent", "read", "--json", "--config", str(folder))
    words += ["--socket", str(folder / "none")]
    said = subprocess.run(words, stdout=subprocess.PIPE, cwd=ROOT, check=False).stdout
    [reading] = json.loads(said)["readings"]
    return [reading["value"], reading["why"]]


async def watch(folder: Path, seconds: float) -> None:
    """Run the link of *folder* and print each sample as a line: seconds, value, reason."""
    from agent.config.load import load

    [link] = load(folder).links
    clock = SystemClock()
    begun = clock.boot()

    def emit(samples: Any) -> None:  # noqa: ANN401 - any iterable
        one: Sample
        for one in samples:
            print(json.dumps([one.at - begun, one.value, one.why]), flush=True)  # noqa: T201

    try:
        async with asyncio.timeout(seconds):
            await link.driver.run(emit, clock, Desk())
    except DriverError as error:
        print(json.dumps([clock.boot() - begun, None, str(error)]), flush=True)  # noqa: T201


def unplugged(folder: Path) -> list[Any]:
    """Take the device's cable out for three seconds while the gateway polls; give all that it saw."""
    with device("d1", 1011):
        read(folder, "eth0")  # writes the file
        words = inside("gw", sys.executable, "-m", "tests.drivers.bacnet.town", "watch", str(folder))
        with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
            assert process.stdout is not None
            lines = [json.loads(process.stdout.readline()) for _ in range(3)]
            ip("link", "set", "c-d1-eth0", "down")
            while lines[-1][1] is not None or len([one for one in lines if one[1] is None]) < 2:
                lines.append(json.loads(process.stdout.readline()))
            ip("link", "set", "c-d1-eth0", "up")
            plugged = lines[-1][0]
            while lines[-1][1] is None:
                lines.append(json.loads(process.stdout.readline()))
            process.kill()
    return [lines[0], lines[-1], lines[-1][0] - plugged]


def without_address(folder: Path) -> list[str]:
    """Take the gateway's address away while it polls; give the reasons of what it says last."""
    with device("d1", 1011):
        read(folder, "eth0")
        words = inside("gw", sys.executable, "-m", "tests.drivers.bacnet.town", "watch", str(folder))
        with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            subprocess.run(inside("gw", "ip", "addr", "del", HOSTS["gw"], "dev", "eth0"), check=True)
            return [json.loads(line)[2] for line in process.stdout][-2:]


def play(folder: Path) -> dict[str, Any]:
    """Play all scenes."""
    found: dict[str, Any] = {}
    with device("d1", 1011):
        found["by broadcast"] = read(folder, "10.99.0.2/24")
        found["by the card's name"] = read(folder, "eth0")
        with device("d2", 1011):
            found["twice there"] = read(folder, "eth0")
    with device("bbmd", 2040, bbmd=True):
        found["out of reach"] = read(folder, "eth0", instance=2040)
        more = 'port = 0\nbbmd = "10.98.0.5"'
        found["as foreign device"] = read(folder, "eth0", instance=2040, more=more)
    found["unplugged"] = unplugged(folder)
    found["without address"] = without_address(folder)
    return found


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        asyncio.run(watch(Path(sys.argv[2]), 60))
    else:
        build()
        print(json.dumps(play(Path(sys.argv[1]))))  # noqa: T201
