"""Keeps the sentence with which a start was refused, for the ledger of the next gateway that does start.

A gateway that does not start has no ledger open. What cannot be kept is in the log all the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FILE: Final = "policy-refused"
_LONGEST: Final = 2000


def keep(state: Path, fault: str) -> None:
    """Keep the last refusal; where the disk takes nothing, nothing is kept."""
    try:
        (state / FILE).write_text(fault[:_LONGEST], "utf-8")
    except OSError:
        return


def take(state: Path) -> str:
    """Give what was kept, once; empty when nothing was."""
    place = state / FILE
    try:
        fault = place.read_text("utf-8", "replace")
        place.unlink()
    except OSError:
        return ""
    return fault
