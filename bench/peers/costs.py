"""What a gateway costs its computer: CPU, memory, bytes written, of its process and all that this started."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

_TICK: Final = os.sysconf("SC_CLK_TCK")
_GONE: Final = (FileNotFoundError, ProcessLookupError)


class Cost(Struct, frozen=True, kw_only=True):
    """CPU seconds and bytes written since the start, megabytes held now."""

    cpu: float = 0.0
    rss: float = 0.0
    written: int = 0


def cost(process: int) -> Cost:
    """Give what *process* and its children have cost; what ended before counts no more."""
    cpu, rss, written = 0.0, 0.0, 0
    for one in family(process):
        with suppress(*_GONE):  # a child may end while it is looked at
            folder = Path(f"/proc/{one}")
            words = (folder / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
            cpu += (int(words[11]) + int(words[12])) / _TICK
            rss += _field(folder / "status", "VmRSS:") * 1024 / 1e6
            written += _field(folder / "io", "write_bytes:")
    return Cost(cpu=cpu, rss=rss, written=written)


def family(process: int) -> list[int]:
    """Give *process* and all that come of it."""
    children: dict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(*_GONE):
                words = (folder / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
                children[int(words[1])].append(int(folder.name))
    found = [process]
    for one in found:
        found += children[one]
    return found


def _field(path: Path, name: str) -> int:
    lines = path.read_text("ascii", "replace").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
