"""Compiles recipients that read at another's broker: nothing is sent to them, and that broker lets them in.

It refuses what only a connection of the gateway's own could mean, and a broker that belongs to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from agent.config import tables
from agent.config.draft import Draft, keys_of
from agent.core.plan import Reader, Recipient

_OWN: Final = frozenset({"via", "party", "username", "witness"})


def compile_readers(
    draft: Draft, written: Mapping[str, Mapping[str, Any]], brokers: Iterable[str]
) -> tuple[Reader, ...]:
    """Compile the tables with ``via``; *brokers* are the recipients that have a broker."""
    found = [_reader(draft, name, table, [*brokers]) for name, table in written.items()]
    readers = [one for one in found if one is not None]
    for number, one in enumerate(readers):
        for other in readers[:number]:
            if (one.via, one.username) == (other.via, other.username):
                message = f'recipient "{other.name}" is "{one.username}" at this broker already'
                draft.fault(("recipient", one.name, "username"), message)
        if one.username in brokers:
            message = f'"{one.username}" is a recipient with a broker of its own'
            draft.fault(("recipient", one.name, "username"), message, "choose another user name")
    return tuple(readers)


def as_recipients(readers: Iterable[Reader], recipients: Sequence[Recipient]) -> list[Recipient]:
    """Give readers as what they are to whoever judges audiences: one more listener at that broker."""
    known = {one.name: one for one in recipients}
    return [replace(known[one.via], name=one.name, party=one.party) for one in readers if one.via in known]


def _reader(draft: Draft, name: str, table: Mapping[str, Any], brokers: list[str]) -> Reader | None:
    path = ("recipient", name)
    before = len(draft.faults)
    written, bad = draft.salvage(table, tables.Recipient, path, {})
    for key in sorted((table.keys() & keys_of(tables.Recipient)) - _OWN):
        message = f'"{key}" means nothing beside "via": the gateway does not connect for it'
        draft.fault((*path, key), message, "leave one of the two out", at_key=True)
    if "via" not in bad and written.via not in brokers:
        message = f'no recipient with a broker is called "{written.via}"'
        draft.dangling((*path, "via"), message, written.via, brokers)
    user = written.username or name
    if not user.isprintable() or any(one in user for one in " :#+/"):
        draft.fault((*path, "username"), "expected a user name as an access list has it", "write it plainly")
    if len(draft.faults) > before:
        return None
    return Reader(name=name, via=written.via, username=user, party=written.party, witness=written.witness)
