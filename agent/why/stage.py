"""One stage of the way from a device to a broker, and whether what is looked for passes it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Verdict = Literal["passes", "doubtful", "stops"]


class Stage(Struct, frozen=True):
    """What was found at a stage, as a sentence; *act* is what to do about it, empty when nothing."""

    name: str
    verdict: Verdict
    says: str
    act: str = ""


def passes(name: str, says: str) -> Stage:
    """Say that all is well here."""
    return Stage(name, "passes", says)


def doubtful(name: str, says: str, act: str = "") -> Stage:
    """Say that it goes on, but not as it should."""
    return Stage(name, "doubtful", says, act)


def stops(name: str, says: str, act: str) -> Stage:
    """Say that it ends here, and what would cure it."""
    return Stage(name, "stops", says, act)
