"""What devices say: one value of one point at one moment. Samples never leave the gateway.

A reading that failed is data too: ``value`` is None and ``quality`` and ``why`` say what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

from msgspec import Struct


class Quality(StrEnum):
    """How far a value can be trusted, in the words of OPC."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class Sample(Struct, frozen=True, gc=False):
    """One value of one point.

    ``point`` is its full name (``main-meter.active_power``), ``at`` boot-time seconds when the reply
    arrived, ``value`` a finite number in the point's unit or None, ``why`` a short reason such as
    ``no_reply``, ``not_available``, ``exception``, ``out_of_range`` when the quality is not good.
    ``unconfined`` marks what a process without a cage made of pictures: it stays on this computer.
    """

    point: str
    value: float | None
    at: float
    quality: Quality = Quality.GOOD
    why: str = ""
    unconfined: bool = False


class Meter(Sample, frozen=True, gc=False):
    """No value, but word of which meter the samples of a counter that follow are of.

    ``meter`` is a short fingerprint of its serial number, never the number; ``new`` says that the driver saw
    it change. Steps that count start a new epoch where it differs: no difference spans two meters.
    """

    meter: str = ""
    new: bool = False


Emit = Callable[[Iterable[Sample]], None]
