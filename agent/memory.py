"""The process's own memory: given back when it is not needed, and shown to nobody.

The C library keeps what was freed in between; on a computer with 1 GB that is better used by others. Memory
holds passwords and what no grant shares: no core file is left, and no process of the same user can look in.
"""

from __future__ import annotations

import ctypes
import gc
import resource
from typing import Final

_PR_SET_DUMPABLE: Final = 4  # prctl(2)


def give_back() -> None:
    """Collect what nobody refers to, and let glibc return free pages (malloc_trim(3)).

    What is left after a start or a reload stays: it is not looked at again until the next call. Python puts a
    full collection off until what is new is a quarter of what it looks at, so that garbage of many hours
    would pile up beside thousands of modules, classes and functions that never go.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def keep_private() -> None:
    """Leave no core file behind, and let no other process of this user read this one's memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # a core that is piped to a program knows no limit: the kernel must not make one at all
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
