"""Says whether what stands in the file is what was written: rows by digest and link, texts by their form.

SQLite notices a page that is torn, but not a byte that a worn card gives back changed. A row that would leave
under another number, or with another body, is worse than one that is lost and declared.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from agent.core.message import Loss
from agent.outbox import chain
from agent.outbox.lane import LaneState
from agent.outbox.row import read_props
from agent.outbox.schema import SENT

PROVEN: Final = "id, route, epoch, seq, kind, made, boot, policy, topic, props, digest, link, body"
"""What ``Judge.holds`` must see of a row."""

_FORM: Final[tuple[type | tuple[type, ...], ...]] = (
    int,
    int,
    int,
    int,
    str,
    (int, float),
    (int, float),
    str,
    str,
    str,
    bytes,
    bytes,
)
_LOSSES: Final = msgspec.json.Decoder(tuple[Loss, ...])
_ANCHOR: Final = msgspec.json.Decoder(tuple[int, str])
_BOOT: Final = msgspec.json.Decoder(tuple[str, int])
_LANE: Final = msgspec.json.Decoder(LaneState)


class ChangedError(Exception):
    """Something in the file is not what was written; the text says what."""


class Judge:
    """Takes rows in the order of their ids, and remembers by what the next one must be bound.

    Of a row behind a hole only the body can be judged. ``names`` are the routes by their numbers. Where these
    come from a spoilt file (*wary*), such a row is believed only once another has shown the name to be right.
    """

    def __init__(self, names: Mapping[int, str], *, wary: bool = False) -> None:
        self._names = names
        self._wary = wary
        self._bound_routes: set[int] = set()
        self._last = 0
        self._links: frozenset[bytes] = frozenset()

    def expect(self, number: int, link: bytes | None) -> None:
        """Note that row *number* had this *link*; None: nobody knows it."""
        self._last, self._links = number, frozenset(() if link is None else (link,))

    def holds(self, row: Any) -> bool:  # noqa: ANN401 - as SQLite gives it
        """Say whether *row* is what was written; its columns are those of ``PROVEN``."""
        if not _has_form(row):
            return False
        number, route, *rest, digest, link, body = row
        known = self._links if number == self._last + 1 else frozenset()
        head = (number, self._names.get(route, ""), *rest)
        bound = {chain.link(one, head, digest) for one in known}
        # the link itself may be what was changed: then the next row is bound by what should stand here
        self._last, self._links = number, frozenset((link, *bound))
        if link in bound:
            self._bound_routes.add(route)
        believed = link in bound if known else not self._wary or route in self._bound_routes
        return believed and (body is None or chain.digest(body) == digest)


def sound(
    db: sqlite3.Connection, numbers: Collection[int], names: Mapping[int, str], anchor: tuple[int, bytes]
) -> list[Any]:
    """Read the rows *numbers*, with the columns of ``SENT``; raise ChangedError if one was changed.

    *anchor* is the last row that has left, with its link: the first one that there is was bound to it.
    """
    marks = ",".join("?" * len(numbers))
    query = f"SELECT id, link FROM row WHERE id IN ({marks})"  # noqa: S608 - question marks only
    links = dict([anchor]) | dict(db.execute(query, [number - 1 for number in numbers]))
    judge, found = Judge(names), []
    query = f"SELECT {SENT}, digest, link FROM row WHERE id IN ({marks})"  # noqa: S608 - question marks only
    for *sent, digest, link in db.execute(query, tuple(numbers)):
        number, *head, expires, policy, topic, props, body = sent
        del expires
        judge.expect(number - 1, links.get(number - 1))
        if not judge.holds((number, *head, policy, topic, props, digest, link, body)):
            raise ChangedError(f"row {number} is not the one that was written")
        found.append(sent)
    return found


def has_losses(text: object) -> bool:
    """Say whether *text* is what a gap keeps of the losses that it declares."""
    if text is None:
        return True
    try:
        _LOSSES.decode(text)  # type: ignore[arg-type]
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def numbers_of(state: Mapping[Any, Any]) -> tuple[int, bytes, int]:
    """Read the anchor with its link, and the epoch; raise ChangedError if a text is not what was kept."""
    try:
        anchor, link = _ANCHOR.decode(state.get("anchor", '[0,""]'))
        _BOOT.decode(state.get("boot", '["",0]'))
        for name, text in state.items():
            if name.startswith("lane/"):
                _LANE.decode(text)
            elif name.startswith("saved/"):
                msgspec.json.decode(text)
        return anchor, bytes.fromhex(link) or chain.START, int(state.get("epoch", "0"))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ChangedError(f"what it keeps beside the messages cannot be read: {error}") from error


def anchor_text(number: int, link: bytes) -> str:
    """Write the anchor as ``numbers_of`` reads it."""
    return msgspec.json.encode((number, link.hex())).decode()


def _has_form(row: Any) -> bool:  # noqa: ANN401 - as SQLite gives it
    *plain, body = row
    if not (body is None or isinstance(body, bytes)) or not _fits(plain):
        return False
    try:
        read_props(plain[9])
    except (ValueError, RecursionError):
        return False
    return True


def _fits(plain: list[Any]) -> bool:
    return all(isinstance(one, wanted) for one, wanted in zip(plain, _FORM, strict=True))
