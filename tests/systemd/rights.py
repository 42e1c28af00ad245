"""How many rights a unit leaves its process, as ``systemd-analyze security`` counts them, from 0 to 10."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from msgspec import Struct

from agent.resources import resource
from tests.peers import need

UNITS: Final = Path(str(resource("systemd")))
GATEWAY: Final = "citygate.service"
VISION: Final = "citygate-vision.service"
OTHERS: Final = ("citygate-bundle.service", "citygate-renew.service", "citygate-renew.timer")
_TARGETS: Final = (
    "sysinit", "basic", "shutdown", "network-online", "multi-user", "sockets", "timers", "time-set",
    "time-sync",
)  # fmt: skip
_PROGRAMS: Final = ("opt/citygate/bin/citygate", "opt/citygate/bin/citygate-vision", "bin/kill")


class Variant(Struct, frozen=True):
    """A unit of ours with some drop-ins, and the exposure that it may have at most."""

    what: str
    unit: str
    drop_ins: tuple[str, ...]
    most: float


VARIANTS: Final = (
    Variant("citygate", GATEWAY, (), 1.2),
    Variant("citygate, within the fence that `citygate apply` writes", GATEWAY, ("narrow-network",), 1.2),
    Variant("citygate, with serial ports too", GATEWAY, ("narrow-network", "serial"), 1.2),
    Variant("citygate-vision", VISION, (), 0.6),
    Variant("citygate-vision, with cameras on USB", VISION, ("usb-camera",), 0.6),
    Variant("citygate-vision, with cameras on the network", VISION, ("ip-camera",), 1.2),
)


def laid(root: Path) -> Path:
    """Make *root* a system's root folder: our units, stubs of the commands, the targets that there are."""
    units = root / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for socket in ("systemd-journald@citygate.socket", "systemd-journald-varlink@citygate.socket"):
        (units / socket).write_text("[Socket]\nListenDatagram=/run/stub\n")
        (units / f"{socket.removesuffix('.socket')}.service").write_text("[Service]\nExecStart=/bin/kill\n")
    for target in _TARGETS:
        (units / f"{target}.target").write_text("[Unit]\nDescription=stub\n")
    for program in _PROGRAMS:
        stub = root / program
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text("#!/bin/sh\n")
        stub.chmod(0o755)
    for unit in (GATEWAY, *OTHERS, VISION, "citygate-vision.socket"):
        (units / unit).write_text((UNITS / unit).read_text())
    return root


def drop_in(root: Path, name: str, unit: str = GATEWAY) -> None:
    """Lay one of our drop-ins beside *unit*."""
    place = root / "etc/systemd/system" / f"{unit}.d"
    place.mkdir(parents=True, exist_ok=True)
    folder = "vision-drop-ins" if unit == VISION else "drop-ins"
    (place / name).write_text((UNITS / folder / name).read_text())


def analyze(*words: str) -> str:
    """Give what systemd-analyze says."""
    done = subprocess.run(
        [need("systemd-analyze"), *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def exposure(root: Path, unit: str = GATEWAY) -> float:
    """Give the exposure of *unit* below *root*."""
    told = analyze("security", "--offline=yes", f"--root={root}", unit)
    found = re.search(rf"exposure level for {re.escape(unit)}: ([\d.]+)", told)
    assert found, told
    return float(found[1])


def systemd() -> int:
    """Give the version of systemd that counts."""
    found = re.match(r"systemd (\d+)", analyze("--version"))
    assert found
    return int(found[1])
