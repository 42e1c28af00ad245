"""The C library, for calls that Python does not offer; without callbacks, which would need code in memory."""

from __future__ import annotations

import ctypes
import os
from typing import Final

LIBC: Final = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
PR_SET_DUMPABLE: Final = 4
PR_GET_DUMPABLE: Final = 3
PR_SET_NO_NEW_PRIVS: Final = 38


def checked(result: int) -> int:
    """Give *result*; raise OSError when it says that the call failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def prctl(what: int, *words: int) -> int:
    """Ask the kernel for something about this process."""
    padded = [ctypes.c_ulong(word) for word in (*words, 0, 0, 0, 0)[:4]]
    return checked(LIBC.prctl(what, *padded))


def syscall(number: int, *words: object) -> int:
    """Call the kernel by number."""
    return checked(LIBC.syscall(ctypes.c_long(number), *words))
