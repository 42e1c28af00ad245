"""Which release of citygate this is; the installed package's folder says so in its name.

``importlib.metadata`` would know too, at a price of 20 ms and 3 MB in a daemon that needs nothing else of it.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path


@cache
def release() -> str:
    """Give the version of the installed package; ``unknown`` in a checkout that is not installed."""
    for place in map(Path, sys.path):
        for info in place.glob("citygate-*.dist-info"):
            return info.name.removeprefix("citygate-").removesuffix(".dist-info")
    return "unknown"


def installed() -> float:
    """Give the UTC second at which this release was put here: no clock that is right says less."""
    return Path(__file__).stat().st_mtime
