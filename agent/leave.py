"""Leaves a small file for another program: whole or not at all, readable by all.

A place that cannot be written is told once, and tried again each time.
"""

from __future__ import annotations

import logging
from pathlib import Path

from agent.core.catalogue.gateway import METRICS_NOT_LEFT

_log = logging.getLogger(__name__)
_told: set[Path] = set()


def leave(place: Path, text: str) -> None:
    """Put *text* at *place*; whoever reads at that moment sees the old or the new one."""
    beside = place.with_name(f".{place.name}.new")
    try:
        beside.write_text(text, "utf-8")
        beside.chmod(0o644)
        beside.replace(place)
    except OSError as error:
        if place not in _told:
            _told.add(place)
            METRICS_NOT_LEFT.tell(_log, place, error.strerror or error)
    else:
        _told.discard(place)
