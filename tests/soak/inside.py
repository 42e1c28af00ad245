"""citygate itself, which notes every ten seconds what of its memory is in use: what an outsider cannot see.

``python -m tests.soak.inside NOTES SOCKET COMMAND ...`` runs it beside the journal at SOCKET. Memory that a
process holds may be in use, or free and kept: blocks that were given back stay with the allocator as long as
anything beside them is in use. Only what is in use can leak.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final

from msgspec import Struct, json

from tests.faults.journal import main as beside_the_journal

_BEAT: Final = 10.0
_CENSUS: Final = 60  # beats from one count of all objects to the next: it takes the interpreter for a moment
_KINDS: Final = 40


class Inside(Struct, kw_only=True):
    """What is in use: ``blocks`` of Python's allocator, bytes of the C library's, ``kept`` bytes of it free.

    ``kinds`` counts objects by their type, now and then.
    """

    blocks: int = 0
    used: int = 0
    kept: int = 0
    kinds: dict[str, int] = {}


class _Mallinfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


_LIBRARY: Final = ctypes.CDLL(None)
_LIBRARY.mallinfo2.restype = _Mallinfo


def read(notes: Path) -> list[Inside]:
    """Read what was noted; nothing where there is nothing yet."""
    try:
        lines = notes.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.decode(one, type=Inside) for one in lines]


def _look(*, census: bool) -> Inside:
    found = _LIBRARY.mallinfo2()
    kinds: dict[str, int] = {}
    if census:
        every = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
        kinds = dict(every.most_common(_KINDS))
    return Inside(
        blocks=sys.getallocatedblocks(),
        used=found.uordblks + found.hblkhd,
        kept=found.fordblks,
        kinds=kinds,
    )


def _note(notes: Path) -> None:
    beat = 0
    with notes.open("ab") as file:
        while True:
            time.sleep(_BEAT)  # a real process at work: its time is the computer's
            file.write(json.encode(_look(census=not beat % _CENSUS)) + b"\n")
            file.flush()
            beat += 1


def main() -> int:
    """Run citygate and note."""
    notes = Path(sys.argv.pop(1))
    threading.Thread(target=_note, args=(notes,), daemon=True).start()
    return beside_the_journal()


if __name__ == "__main__":
    sys.exit(main())
