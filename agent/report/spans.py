"""Stretches of time for people, in the largest unit that divides them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_UNITS: Final = (("d", 86400.0), ("h", 3600.0), ("m", 60.0))
_ENGLISH: Final = {"d": "{n} d", "h": "{n} h", "m": "{n} min", "s": "{n} s"}


def span(seconds: float, words: Mapping[str, str] = _ENGLISH) -> str:
    """Write ``400 d``, ``15 min``, ``0.5 s``; *words* are the units of another language."""
    for name, size in _UNITS:
        if seconds >= size and seconds % size == 0:
            return words[name].format(n=f"{seconds / size:g}")
    return words["s"].format(n=f"{seconds:g}")
