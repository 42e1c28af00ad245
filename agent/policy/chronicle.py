"""What the ledger says of the policy itself: which came into force, with all its terms, and what was refused.

These rows are bound into the chain like any message and sent to nobody. A row of a policy in force holds the
canonical text whose digest is the policy's number, so that the number can be looked up later.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Raw, Struct

from agent.core.message import Message
from agent.core.plan import Edition, Plan

KIND: Final = "policy"
IN_FORCE: Final = "in-force"
REFUSED: Final = "refused"
_LONGEST: Final = 300  # characters of a sentence that says why


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row about the policy.

    ``policy`` is in force from then on, or still, where another was ``refused`` (``why``: the first fault).
    ``before`` is the one before it; ``terms`` its canonical text.
    """

    v: int = 1
    k: str = KIND
    t: str
    state: str
    policy: str
    before: str = ""
    edition: Edition | None = None
    why: str = ""
    terms: Raw = Raw(b"null")


class Note(Struct, frozen=True, kw_only=True):
    """A row to be written, the policy in force with it, and the mark by which it is known again."""

    message: Message
    policy: str
    mark: str


class Mark(Struct, frozen=True, kw_only=True):
    """By which the last row is known again: the policy in force, its edition, and what was refused since."""

    policy: str = ""
    digest: str = ""
    refused: str = ""


def in_force(plan: Plan, mark: str, utc: float) -> Note | None:
    """Give the row for *plan*; None when the ledger says already (*mark*) that it is in force."""
    known = _mark(mark)
    digest = plan.edition.digest if plan.edition else ""
    if (known.policy, known.digest) == (plan.policy, digest):
        return None
    entry = Entry(
        t=_utc(utc), state=IN_FORCE, policy=plan.policy, before=known.policy, edition=plan.edition,
        terms=Raw(plan.terms or b"null"),
    )  # fmt: skip
    return _note(entry, Mark(policy=plan.policy, digest=digest))


def refused(fault: str, mark: str, utc: float) -> Note | None:
    """Give the row that says why another configuration was refused; None when that was the last word."""
    known = _mark(mark)
    why = fault.partition("\n")[0][:_LONGEST]
    if known.refused == why:
        return None
    entry = Entry(t=_utc(utc), state=REFUSED, policy=known.policy, why=why)
    return _note(entry, Mark(policy=known.policy, digest=known.digest, refused=why))


def read(body: bytes) -> Entry:
    """Understand a row; raise ValueError when it is none, or when its terms are not those of its policy."""
    try:
        entry = msgspec.json.decode(body, type=Entry)
    except msgspec.MsgspecError as error:
        raise ValueError(f"this is no row about a policy: {error}") from error
    terms = bytes(entry.terms)
    if entry.state == IN_FORCE and terms != b"null" and number_of(terms) != entry.policy:
        raise ValueError(f"its terms are those of policy {number_of(terms)}, not of {entry.policy}")
    return entry


def number_of(terms: bytes) -> str:
    """Give the number of the policy whose canonical text is *terms*."""
    return hashlib.sha256(terms).hexdigest()[:12]


def sentence(entry: Entry) -> str:
    """Tell it to people."""
    if entry.state == REFUSED:
        return f"refused, {entry.policy or 'none'} stays: {entry.why}"
    signed = f", number {entry.edition.number} signed by {entry.edition.signer}" if entry.edition else ""
    return f"in force{f' instead of {entry.before}' if entry.before else ''}{signed}"


def _note(entry: Entry, mark: Mark) -> Note:
    message = Message(topic="", body=msgspec.json.encode(entry), kind=KIND, qos=0)
    return Note(message=message, policy=entry.policy, mark=msgspec.json.encode(mark).decode())


def _mark(text: str) -> Mark:
    try:
        return msgspec.json.decode(text, type=Mark)
    except msgspec.MsgspecError:
        return Mark()


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
