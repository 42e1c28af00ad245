"""What one look gave: all is well, worth knowing, or wrong, and what to do about it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Verdict = Literal["well", "notice", "wrong"]


class Finding(Struct, frozen=True):
    """One thing that was looked at; *act* says what to do, and is empty where all is well."""

    what: str
    verdict: Verdict
    says: str
    act: str = ""


def well(what: str, says: str) -> Finding:
    """Say that all is well."""
    return Finding(what, "well", says)


def notice(what: str, says: str, act: str) -> Finding:
    """Say what is worth knowing: a protection that is not there, something that will be wrong one day."""
    return Finding(what, "notice", says, act)


def wrong(what: str, says: str, act: str) -> Finding:
    """Say what has to be put right."""
    return Finding(what, "wrong", says, act)
