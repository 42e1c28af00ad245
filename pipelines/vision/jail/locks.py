"""Locks that need no table: no byte into a file, no core, no debugger, no page into swap, no rights.

Each holds until the process ends.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import signal
import struct
from pathlib import Path
from typing import Final

from pipelines.vision.jail.libc import LIBC, PR_SET_DUMPABLE, checked, prctl, syscall

_CURRENT, _FUTURE, _ON_FAULT = 1, 2, 4
_CAPABILITY_VERSION: Final = 0x20080522
_CAPSET: Final = {"x86_64": 126, "aarch64": 91}
_SWAPS: Final = Path("/proc/swaps")


def no_disk() -> None:
    """Let no byte into any file, even an open one; leave no core; let nobody look in."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # else the first attempt would end the process
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    prctl(PR_SET_DUMPABLE, 0)  # a new program would be dumpable again: hence here


def lock_memory() -> str:
    """Keep every page out of swap as soon as it is touched; give why that is not possible, or nothing."""
    endless = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, endless)
    except (OSError, ValueError):
        # under a limit every later thread and buffer would fail
        return f"the limit is {resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] >> 10} kB"
    try:
        checked(LIBC.mlockall(_CURRENT | _FUTURE | _ON_FAULT))
    except OSError as error:
        return error.strerror or "refused"
    return ""


def can_swap() -> bool:
    """Say whether this computer swaps: then unlocked memory is a hole."""
    try:
        return len(_SWAPS.read_text("ascii").splitlines()) > 1
    except OSError:
        return True  # nobody can tell


def no_rights() -> None:
    """Give up every capability, should this process run as root."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0))
    none = ctypes.create_string_buffer(24)
    syscall(_CAPSET[platform.machine()], header, none)
