"""Reads from the ledger what became of the policy: which one was in force from when, and what was refused."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from agent.outbox.lane import OWN
from agent.outbox.ledger import rows
from agent.policy.chronicle import Entry, read, sentence


class Change(Struct, frozen=True, kw_only=True):
    """One row about the policy: when (UTC seconds), the policy in force from then on, and what happened.

    ``entry`` is None where the row cannot be believed; ``what`` says why.
    """

    row: int
    at: float
    policy: str
    what: str
    entry: Entry | None


def history(path: Path, *, since: float | None = None, until: float | None = None) -> list[Change]:
    """Give the changes of a period, oldest first; raise OutboxError if the file cannot be read."""
    found = []
    for one in rows(path, recipient=OWN, since=since, until=until):
        entry, what = None, ""
        try:
            entry = read(one.body or b"")
            what = sentence(entry)
        except ValueError as error:
            what = str(error)
        found.append(Change(row=one.id, at=one.made, policy=one.policy, what=what, entry=entry))
    return found


def faults(changes: list[Change]) -> list[str]:
    """Say which rows cannot be believed, although their links may fit."""
    return [f"row {one.row} tells of policy {one.policy}: {one.what}" for one in changes if one.entry is None]
