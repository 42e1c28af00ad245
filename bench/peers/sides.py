"""What the comparison must know of a gateway: how it is had, set up, started, and what its messages say.

A side is one gateway, set up in one way. All read the same registers once a second and wait one second for a
reply, where that can be set; all send with QoS 1 and log errors only.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field

BUILD: Final = Path(__file__).parents[2] / "build"
Read = Iterator[tuple[int, float, int]]
"""Points, their stamps in UTC seconds, what was read."""


class Ports(Struct, frozen=True, kw_only=True):
    """Where a side finds its two endpoints, and its broker."""

    tcp: int
    rtu: int
    broker: int


class Command(Struct, frozen=True, kw_only=True):
    """How a gateway is started, again and again, in its room."""

    words: list[str]
    environment: Mapping[str, str] = field(default_factory=lambda: {"PATH": os.defpath})


class Side(Struct, frozen=True, kw_only=True):
    """One gateway, set up in one way.

    *settings* says in words what the page must say of that; *rtu* whether it can read RTU through TCP;
    *judged* whether its messages tell each value, so that what is lost can be counted.
    """

    name: str
    title: str
    short: str
    settings: str
    missing: Callable[[], str]
    install: Callable[[], None]
    lay: Callable[[Path, Ports], Command]
    read: Callable[[str, bytes], Read]
    rtu: bool = True
    judged: bool = True


def run(*words: str | Path) -> None:
    """Run a step of an installation; raise when it fails."""
    subprocess.run([str(word) for word in words], check=True)
