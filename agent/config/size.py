"""Sizes as people write them (``"512MB"``, ``"2GiB"``) and as code uses them: bytes.

It refuses bare numbers, as durations do: nobody sees whether 512 meant bytes or megabytes.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from agent.core.duration import Duration
from agent.core.settings import decode_hook

UNITS: Final = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
EXPECTED: Final = 'expected a size such as "512MB" or "2GiB"'
_FORM: Final = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(UNITS)})")


class Size(int):
    """A number of bytes."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: object) -> Size:
        """Read ``"512MB"``; raise ValueError with what was expected."""
        found = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise ValueError(EXPECTED)
        size = float(found[1]) * UNITS[found[2]]
        if size == math.inf:
            raise ValueError(EXPECTED)
        return cls(size)

    def __str__(self) -> str:
        """Give the shortest text that reads back as the same size."""
        whole = [unit for unit, factor in UNITS.items() if self and self % factor == 0]
        unit = max(whole, key=UNITS.__getitem__, default="B")
        return f"{self // UNITS[unit]}{unit}"


def decode(wanted: type, value: object) -> Any:  # noqa: ANN401 - msgspec's own signature
    """Read the types of a configuration that msgspec does not know: sizes and durations."""
    return Size.parse(value) if wanted is Size else decode_hook(wanted, value)


def parse_limit(wanted: type, text: str) -> float:
    """Read a bound (``least``, ``most``) of a field of type *wanted*, Duration or Size."""
    return Size.parse(text) if wanted is Size else Duration.parse(text)
