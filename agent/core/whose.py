"""Tells when the counters of a device are another meter's, by what it says of its serial number.

A serial number never leaves a driver: from here on it is four hex digits that differ from device to device,
enough to see a change and too few to tell a meter by. One word is no proof: a change counts when it is said
twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import inf
from typing import Final

from agent.core.sample import Meter

_AGAIN: Final = 3600.0  # seconds after which it is said again, for those who began to listen meanwhile


class Whose:
    """Which meter the *points* of *device* are read from."""

    def __init__(self, device: str, points: Sequence[str]) -> None:
        self._device, self._points = device, tuple(points)
        self._meter = self._doubted = ""
        self._said = -inf

    def hear(self, serial: bytes, at: float) -> list[Meter] | None:
        """Give word of the meter when it is due; None: it may be another one now."""
        meter = fingerprint(self._device, serial)
        new = bool(self._meter) and meter != self._meter
        if new and meter != self._doubted:
            self._doubted = meter
            return None
        self._doubted = ""
        if not new and at < self._said + _AGAIN:
            return []
        self._meter, self._said = meter, at
        return [Meter(point, None, at, meter=meter, new=new) for point in self._points]


def fingerprint(device: str, text: bytes) -> str:
    """Give four hex digits for what *device* says of itself."""
    return hashlib.blake2b(text, digest_size=2, key=device.encode()[:64]).hexdigest()
