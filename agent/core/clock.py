"""Time as an argument, so that tests need not wait and a wrong clock cannot reorder anything.

Everything is stamped in boot-time seconds (``CLOCK_BOOTTIME``: never jumps, runs through suspend) and
turned into UTC by the offset known at that moment. An ``Instant`` carries both readings. Boot time
orders and measures; UTC only labels.
"""

from __future__ import annotations

import ctypes
import time
from functools import cache
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

_STA_UNSYNC: Final = 0x0040
_SYNCED_FILE: Final = Path("/run/systemd/timesync/synchronized")


class Instant(Struct, frozen=True, gc=False):
    """One moment: seconds since boot, the same in UTC seconds since 1970, and whether UTC can be trusted."""

    boot: float
    utc: float
    synced: bool = True

    @property
    def offset(self) -> float:
        """UTC minus boot time, in seconds: what turns another stamp of this boot into UTC."""
        return self.utc - self.boot


class Clock(Protocol):
    """The only source of time in this code base."""

    @property
    def boot_id(self) -> str:
        """Eight hex digits that differ between boots."""
        ...

    def now(self) -> Instant:
        """Give this moment."""
        ...

    def boot(self) -> float:
        """Give seconds since boot; stamps samples and measures spans."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; at once if *seconds* is not positive, but always letting others run."""
        ...


class SystemClock:
    """The kernel's clocks."""

    def __init__(self) -> None:
        self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")[:8]
        self._synced_until = 0.0
        self._synced = False

    @property
    def boot_id(self) -> str:
        """Eight hex digits that differ between boots."""
        return self._boot_id

    def now(self) -> Instant:
        """Give this moment; whether the kernel is synchronised is asked at most once a second."""
        boot = self.boot()
        if boot >= self._synced_until:
            self._synced, self._synced_until = kernel_is_synced(), boot + 1.0
        return Instant(boot, time.time(), self._synced)

    def boot(self) -> float:
        """Give seconds since boot."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        import asyncio  # here, because commands that never wait load this file too

        await asyncio.sleep(max(0.0, seconds))


class _Timex(ctypes.Structure):
    """``struct timex`` of adjtimex(2); only the leading fields are read, the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_char * 256),
    )


def kernel_is_synced() -> bool:
    """Say whether adjtimex(2) or systemd-timesyncd calls the time of day synchronised."""
    timex = _Timex()
    if _libc().adjtimex(ctypes.byref(timex)) >= 0 and not timex.status & _STA_UNSYNC:
        return True
    return _SYNCED_FILE.exists()


@cache
def _libc() -> ctypes.CDLL:
    # each CDLL is 3 kB in a circle: one a second until the next full collection would be 10 MB an hour
    return ctypes.CDLL(None)
