"""Gives back the memory that only loading needed, before all that is there is locked in.

Most pages of a library are touched once, when it is linked and registers what it offers. They are a file's
own bytes, which come back when somebody needs them; locked in, they would stay for as long as the process.
"""

from __future__ import annotations

import ctypes
import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipelines.vision.jail.libc import LIBC

_MAPS: Final = Path("/proc/self/smaps")
_MAPPING: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+)")
_DONTNEED: Final = 4


def give_back() -> None:
    """Return to the kernel what nobody holds, and pages that a file holds too."""
    gc.collect()
    LIBC.malloc_trim(0)
    for start, end in list(droppable(_MAPS.read_text("utf-8", "replace"))):
        # a refusal costs memory and nothing else
        LIBC.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONTNEED)


def droppable(maps: str) -> Iterator[tuple[int, int]]:
    """Find, in the text of smaps, where files can only be read and no page differs from its file."""
    span: tuple[int, int] | None = None
    for line in maps.splitlines():
        if (head := _MAPPING.match(line)) is not None:
            is_read_alone = head[3] in ("r--p", "r-xp") and head[4] != "0"
            span = (int(head[1], 16), int(head[2], 16)) if is_read_alone else None
        elif span is not None and line.startswith("Anonymous:") and line.split()[1] == "0":
            yield span
