"""Lets a measurement see into a process that locks itself in: it sends what it reached, as it may not write.

A plugin of coverage, named in ``pyproject.toml``, for those processes alone; in all others it does nothing.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from coverage import Coverage, CoverageData, control
from coverage.plugin_support import Plugins

PLACE: Final = "CITYGATE_COVERAGE"  # in the environment: the socket of who measures
_PROGRAM: Final = "citygate-vision"
_MODULE: Final = "pipelines.vision"


def coverage_init(_: Plugins, __: Mapping[str, Any]) -> None:
    """Connect before the process locks itself in, and keep in memory what else goes into a file."""
    place = os.environ.get(PLACE)
    if place and locks_itself_in(sys.orig_argv):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(place)
            handle = one.detach()
        control.CoverageData = _in_memory  # type: ignore[attr-defined, assignment]
        Coverage.save = lambda self: _send(handle, self.get_data().dumps())  # type: ignore[method-assign]


def locks_itself_in(words: Sequence[str]) -> bool:
    """Say whether a process with this command line is one that pictures are for."""
    return any(word.rpartition("/")[2] == _PROGRAM or _MODULE in word for word in words)


def _in_memory(**_: object) -> CoverageData:
    data = CoverageData(no_disk=True)
    data.add_arcs({})  # the first use looks for a file that it would remove
    return data


def _send(handle: int, told: bytes) -> None:
    while told:
        told = told[os.write(handle, told) :]
    os.close(handle)
