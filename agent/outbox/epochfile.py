"""The number of the last start, in a small file beside the database.

It outlives a damaged database, so that message numbers are never given twice.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_SANE: Final = range(1 << 32)  # a garbled one must not use up the numbers that there are


def read_epoch(path: Path) -> int:
    """Give the number in *path*; 0 where there is none that can be read."""
    try:
        epoch = int(path.read_text("ascii"))
    except (OSError, ValueError):
        return 0
    return epoch if epoch in _SANE else 0


def write_epoch(path: Path, epoch: int) -> None:
    """Put *epoch* where even a power cut leaves the old or the new number, never half of one."""
    write_safely(path, f"{epoch}\n")


def write_safely(path: Path, text: str) -> None:
    """Replace the file at *path* by *text*, all of it or nothing."""
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, text.encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in *folder* safe."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
