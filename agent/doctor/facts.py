"""Everything that the doctor judges by, as plain values; where it comes from is another file's affair."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Certificate(Struct, frozen=True, kw_only=True):
    """A certificate or authority that a recipient or link names: its life in UTC, or why it is unknown."""

    whose: str
    role: str
    path: str
    begin: float = 0.0
    end: float = 0.0
    trouble: str = ""


class Lookup(Struct, frozen=True):
    """A host that a recipient is reached at, and why DNS does not know it; empty: it does."""

    host: str
    trouble: str


class Listener(Struct, frozen=True):
    """A socket of the gateway that others can reach."""

    kind: str
    local: str


class Want(Struct, frozen=True, kw_only=True):
    """A device file that a link needs: of which group it is, and whether the gateway's user may open it."""

    link: str
    path: str
    exists: bool
    group: str = ""
    allowed: bool = True


class Port(Struct, frozen=True, kw_only=True):
    """A UDP port that a link needs, and whether another program has it."""

    link: str
    number: int
    taken: bool


class Facts(Struct, frozen=True, kw_only=True):
    """One look at everything. Sizes are in bytes, times in UTC seconds, None: it cannot be known here."""

    now: float
    release: str
    # the gateway
    config_fault: str = ""
    config_warnings: tuple[str, ...] = ()
    running: bool = False
    status: dict[str, Any] | None = None
    runs_as_root: bool = False
    seccomp_filter: bool | None = None
    listeners: tuple[Listener, ...] = ()
    # the kernel
    kernel: str = ""
    has_seccomp: bool = True
    has_landlock: bool = True
    controllers: tuple[str, ...] | None = ("memory", "pids", "cpu")
    swaps: tuple[str, ...] = ()
    # the disk
    state: str = "/var/lib/citygate"
    free: float | None = None
    size: float | None = None
    cap: float = 0.0
    used: float = 0.0
    read_only: bool = False
    file_errors: int = 0
    wear: float | None = None
    # heat and power
    temperature: float | None = None
    undervoltage: bool | None = None
    memory: tuple[float, float] | None = None
    # time
    synced: bool = True
    has_rtc: bool = True
    built: float = 0.0
    # the network
    lookups: tuple[Lookup, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    # files
    open_files: tuple[str, ...] = ()
    open_credentials: tuple[str, ...] = ()
    wants: tuple[Want, ...] = ()
    ports: tuple[Port, ...] = ()
    missing_models: tuple[str, ...] = ()
    telemetry: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
