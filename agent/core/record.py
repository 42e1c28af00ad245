"""What the gateway may say: a figure about a stretch of time, or something that happened."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class State(StrEnum):
    """How a figure came about. Suppressed is not zero, and zero is not missing."""

    OK = "ok"
    PARTIAL = "partial"
    UNCERTAIN = "uncertain"
    NO_DATA = "no_data"
    SUPPRESSED = "suppressed"


class Aggregate(Struct, frozen=True, gc=False):
    """A summary of the samples of one point within one window.

    ``start`` is the window's start in UTC seconds, ``width`` its length in seconds, ``boot`` its start in
    boot-time seconds, ``synced`` whether ``start`` can be trusted. ``n`` counts the samples behind it and is
    None when withheld. ``values`` stand in the order of the product's statistics; None is "none or
    withheld". ``coverage`` is the share of the window that was observed (0..1). ``parts`` are the values that
    each source gave to a figure over several; they are for the gate, which takes them out.
    """

    point: str
    start: float
    width: float
    n: int | None
    values: tuple[float | None, ...]
    state: State = State.OK
    coverage: float = 1.0
    why: str = ""
    boot: float = 0.0
    synced: bool = True
    parts: tuple[tuple[float | None, ...], ...] = ()


class Event(Struct, frozen=True):
    """Something that happened at a point, at ``at`` UTC seconds (``boot`` in boot time)."""

    point: str
    kind: str
    severity: str
    at: float
    value: float | None
    unit: str
    text: str
    boot: float = 0.0
    synced: bool = True


Record = Aggregate | Event
