"""Who this gateway is on BACnet networks: the same after each start, and not what another one is."""

from __future__ import annotations

import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from drivers.bacnet.own import OwnDevice, derived

_MACHINE: Final = Path("/etc/machine-id")


def own_device(configured: int | None, link: str, timeout: float) -> OwnDevice:
    """Give our device: its instance as configured, or made of the computer's identity and the link's name."""
    try:
        software = version("citygate")
    except PackageNotFoundError:
        software = "unknown"
    instance = derived(f"{_machine()}/{link}") if configured is None else configured
    return OwnDevice(instance, f"citygate {socket.gethostname()} {link}", timeout, software)


def _machine() -> str:
    try:
        return _MACHINE.read_text("ascii").strip() or socket.gethostname()
    except OSError:
        return socket.gethostname()
