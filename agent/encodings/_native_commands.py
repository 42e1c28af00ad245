"""Commands of the native format: read strictly, and answered in words of our own.

Whatever is not exactly a command is none; nothing of what a stranger wrote stands in an answer before it was
recognised.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import UNSET

from agent.core.command import LARGEST, Answer, Command, Stretch, Verb, Wanted, Why
from agent.core.message import Head
from agent.encodings import _native_wire as wire

TOPICS: Final[Mapping[str, Verb]] = {"c/replay": "replay", "c/rebirth": "rebirth"}
"""Below the gateway's own topic."""
_SHAPES: Final[Mapping[Verb, type[Any]]] = {"replay": wire.Wish, "rebirth": wire.Rebirth}
TEXTS: Final[Mapping[Why, str]] = {
    "malformed": "this is not the command that belongs to the topic; see the schema",
    "reply": "the response topic must be the gateway's r, or one level below it that is no product",
    "product": "no such product is granted to you",
    "numbering": "the gateway has another lid now: forget its numbering; birth and status tell the new one",
    "range": "from and to are not in order, or more than 10000 numbers apart",
    "busy": "too many commands in a short time, or too many replays that are not done",
    "unread": "nobody had subscribed to the topic on which messages are sent again",
    "broker": "the broker did not take what was sent again; may the gateway write r?",
}
"""Each reason in a sentence."""


def read(verb: Verb, body: bytes) -> Command:
    """Read a command; raise ValueError if it is anything else than the one that *verb* names."""
    if len(body) > LARGEST:
        raise ValueError(f"a command of {len(body)} bytes, where {LARGEST} are allowed")
    found = _reader(verb).decode(body)  # its errors are ValueErrors
    if not isinstance(found, wire.Wish):
        return Command(verb=verb)
    wanted = Wanted(found.product, found.e, found.first, found.to)
    return Command(verb=verb, lid=found.lid, wanted=wanted)


def example(verb: Verb, product: str, lid: str) -> bytes:
    """Write a command, as a recipient would."""
    if verb == "rebirth":
        return msgspec.json.encode(wire.Rebirth(v=1, k="rebirth"))
    wish = wire.Wish(v=1, k="replay", lid=lid, product=product, e=42, first=900, to=931)
    return msgspec.json.encode(wish)


def reply(head: Head, answer: Answer) -> wire.Reply:
    """Write an answer."""
    wanted = answer.wanted
    is_over = answer.outcome in ("done", "stopped") and wanted is not None
    return wire.Reply(
        e=head.epoch,
        s=head.seq,
        re=answer.verb,
        is_=answer.outcome,
        why=answer.why or UNSET,
        text=TEXTS[answer.why] if answer.why else UNSET,
        of=UNSET
        if wanted is None
        else wire.Part(product=wanted.product, e=wanted.epoch, first=wanted.first, to=wanted.last),
        n=answer.count if is_over else UNSET,
        gone=_pairs(answer.gone) if is_over else UNSET,
        waits=_pairs(answer.waits) if is_over else UNSET,
    )


def _pairs(stretches: tuple[Stretch, ...]) -> list[tuple[int, int]]:
    return list(stretches)


@cache
def _reader(verb: Verb) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_SHAPES[verb])
