"""Remembers which edition of a signed policy was in force last, so that no older one comes back.

The memory is one small file in the state folder. It refuses an older number, the same number over another
file, and an unsigned policy where a signed one has been.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from agent.core.errors import ConfigError
from agent.core.plan import Edition, Plan

FILE: Final = "policy-edition"


def admit(plan: Plan, state: Path) -> None:
    """Let *plan* come into force, and remember its edition; raise ConfigError if it may not."""
    place = state / FILE
    known = remembered(state)
    if objection := objection_to(plan, known, place):
        raise ConfigError(objection)
    if plan.edition is not None and plan.edition != known:
        _write(place, plan.edition)


def remembered(state: Path) -> Edition | None:
    """Give the edition that was in force last; raise ConfigError if the memory cannot be read."""
    place = state / FILE
    try:
        return msgspec.json.decode(place.read_bytes(), type=Edition)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{place} cannot be read ({error}), so nobody can say whether this policy is an old one;"
            " remove it to begin anew"
        ) from error


def objection_to(plan: Plan, known: Edition | None, place: Path) -> str:
    """Say in a sentence why *plan* may not follow *known*; empty when it may."""
    new = plan.edition
    if known is None or (new is not None and new.city != known.city):
        return ""
    if new is None:
        if not plan.grants:
            return ""  # nothing leaves
        return (
            f"this policy is not signed, and number {known.number}, signed by {known.signer}, has been in"
            " force here: put the signature back, and who may sign (allowed_signers or allowed_minisign). To"
            f" do without signatures from now on, remove {place}"
        )
    if new.number < known.number:
        return (
            f"this policy is number {new.number}, and number {known.number} has been in force here: an old"
            " file? Give it a higher number and sign it anew"
        )
    if new.number == known.number and new.digest != known.digest:
        return (
            f"this policy is number {new.number}, but another file with that number has been in force here:"
            " give it a higher number and sign it anew"
        )
    return ""


def _write(place: Path, edition: Edition) -> None:
    """Replace the memory so that a power cut leaves the old or the new one."""
    beside = place.with_name(f"{FILE}.new")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(msgspec.json.encode(edition) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigError(
            f"{place} cannot be written ({error.strerror}): a policy whose number is not remembered could be"
            " replaced by an older one"
        ) from error
