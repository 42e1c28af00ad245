"""What the kernel says of a process's sockets: which ports it listens on and whom it has called.

Read from /proc, so that no program is needed; other users' processes can only be looked into by root.
"""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

_TABLES: Final = ("tcp", "tcp6", "udp", "udp6", "raw", "raw6")
_LISTENS: Final = "0A"
_PROC: Final = Path("/proc")


class Socket(Struct, frozen=True):
    """One internet socket: ``kind`` is tcp, udp or raw, addresses are ``host:port``."""

    kind: str
    local: str
    remote: str
    listens: bool


def sockets_of(pid: int) -> list[Socket]:
    """List the internet sockets of a process; raise PermissionError where they may not be seen."""
    inodes = _inodes(_PROC / str(pid) / "fd")
    found = []
    for table in _TABLES:
        with suppress(FileNotFoundError):  # a kernel without IPv6
            for line in (_PROC / str(pid) / "net" / table).read_text("ascii").splitlines()[1:]:
                words = line.split()
                if words[9] in inodes:
                    kind = table.rstrip("6")
                    found.append(Socket(kind, _address(words[1]), _address(words[2]), words[3] == _LISTENS))
    return found


def is_loopback(address: str) -> bool:
    """Say whether *address*, ``host:port``, is of this computer alone."""
    return ipaddress.ip_address(address.rpartition(":")[0].strip("[]")).is_loopback


def _inodes(folder: Path) -> set[str]:
    found = set()
    for name in os.listdir(folder):  # noqa: PTH208 - a descriptor may be gone by the time it is looked at
        with suppress(FileNotFoundError):
            target = os.readlink(folder / name)  # noqa: PTH115 - it leads to no file
            if target.startswith("socket:["):
                found.add(target[8:-1])
    return found


def _address(text: str) -> str:
    """Read an address as the kernel prints it: 32-bit words in the computer's own order, in hex."""
    host, _, port = text.partition(":")
    words = [bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8)]
    return f"{ipaddress.ip_address(b''.join(words))}:{int(port, 16)}"
