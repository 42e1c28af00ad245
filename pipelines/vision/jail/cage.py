"""Locks this process in, in the one order that works, and proves it: what is forbidden is tried.

Nothing here can be undone. All that must still be opened, imported or connected comes before.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

from msgspec import Struct

from agent.core.sight import HOLES
from agent.core.vision import Lock
from pipelines.vision.jail import landlock, locks, probes, seccomp

_TASKS: Final = Path("/proc/self/task")
_PROGRAM: Final = ("/usr", "/lib", "/lib64", "/proc", "/sys/devices", "/etc/ld.so.cache", "/etc/localtime")


class Cage(Struct, frozen=True, kw_only=True):
    """What the process must still reach: addresses with their TCP ports, devices, and files to be read.

    ``unit``: a service manager has built a cage around, which is proven by itself.
    """

    cameras: tuple[tuple[str, int], ...] = ()
    devices: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    unit: bool = False

    @property
    def addresses(self) -> frozenset[str]:
        """Give the addresses that stay within reach."""
        return frozenset(address for address, _ in self.cameras)


class Verdict(Struct, frozen=True):
    """How many acts were tried, their names, which worked (``holes``); how well the kernel's locks hold."""

    tried: int
    acts: tuple[str, ...]
    holes: tuple[str, ...]
    unlocked: str
    landlock: int

    def sentence(self) -> str:
        """Tell it in one line."""
        kept = f"memory is not locked ({self.unlocked})" if self.unlocked else "memory locked"
        extra = f"Landlock {self.landlock}" if self.landlock else "no Landlock in this kernel"
        return f"sandbox {self.tried - len(self.holes)}/{self.tried} attempts refused; {kept}; {extra}"


def confine(cage: Cage, *, without: Collection[Lock] = ()) -> Verdict:
    """Lock this process in and try to get out; *without* a lock only in a trial, which sees no picture."""
    network = bool(cage.cameras)
    around = probes.of_unit(cage.addresses) if cage.unit else iter(())
    if network and not cage.unit:
        around = probes.of_network(cage.addresses)
    holes, acts = probes.tried(around)
    scratch = os.memfd_create("probe")
    if len(list(_TASKS.iterdir())) > 1:
        holes.append("threads")  # some locks hold for the thread that takes them, and for those it starts
    unlocked = locks.lock_memory()
    if unlocked and locks.can_swap():
        holes.append("swap")
    if "disk" not in without:
        locks.no_disk()
    locks.no_rights()
    if "landlock" not in without:
        landlock.restrict(_readable(cage), cage.devices, [port for _, port in cage.cameras])
    if "calls" not in without:
        seccomp.install(network=network, devices=bool(cage.devices))
    has = landlock.version()
    more, others = probes.tried(probes.of_process(network=network, landlocked=has > 0, scratch=scratch))
    os.close(scratch)
    found, every = {*holes, *more}, [*acts, *others]
    return Verdict(len(every), _named({*every, *found}), _named(found), unlocked, has)


def _named(names: set[str]) -> tuple[str, ...]:
    return tuple(one for one in HOLES if one in names)


def _readable(cage: Cage) -> list[str]:
    """List what Python, the kernel's own files and the plan need."""
    import sys

    here = str(Path(__file__).parents[3])
    return [*_PROGRAM, sys.prefix, sys.base_prefix, here, "/dev/urandom", "/dev/null", *cage.read]
