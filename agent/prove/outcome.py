"""What trying to break a promise came to."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct


class State(StrEnum):
    """Whether a promise stands. What this system does not enforce is no failure, and no proof either."""

    KEPT = "pass"
    BROKEN = "fail"
    OPEN = "not enforced"


class Outcome(Struct, frozen=True):
    """How a promise stands, and sentences that say why."""

    state: State
    told: tuple[str, ...]


def kept(*told: str) -> Outcome:
    """Give the outcome of a promise that withstood."""
    return Outcome(State.KEPT, told)


def broken(*told: str) -> Outcome:
    """Give the outcome of a promise that was broken; *told* says by what."""
    return Outcome(State.BROKEN, told)


def unenforced(*told: str) -> Outcome:
    """Give the outcome of a promise that nothing enforces here, or that could not be tried."""
    return Outcome(State.OPEN, told)


def judged(faults: Sequence[str], *otherwise: str) -> Outcome:
    """Give a broken promise if there are *faults*, else one that was kept."""
    return broken(*faults) if faults else kept(*otherwise)
