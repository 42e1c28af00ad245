"""Keeps what drivers found out in the outbox's file, so that a restart need not find it out again.

It goes to disk with the next commit. Bounded: what is too large is not kept, and the oldest notes make room.
What cannot be understood is left aside: drivers then start anew.
"""

from __future__ import annotations

import logging
from typing import Any, Final, Protocol

import msgspec

from agent.core.catalogue.links import NOTE_DAMAGED, NOTES_UNREADABLE
from agent.core.notes import Notes

_log = logging.getLogger(__name__)
_KEY: Final = "~notes"  # no product is called so
_LARGEST: Final = 16_384
_MOST: Final = 262_144  # bytes of all of them


class Store(Protocol):
    """What notes need of the outbox."""

    def save(self, product: str, state: object) -> None:
        """Keep plain JSON values with the next commit."""
        ...

    def saved(self, product: str) -> object | None:
        """Give what was kept last."""
        ...


class KeptNotes(Notes):
    """The notes of all links of a gateway."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        kept = _understood(store)
        self._documents = {key: text for key, text in kept.items() if isinstance(text, str)}

    def get(self, key: str) -> Any:  # noqa: ANN401 - plain JSON values, the driver's own affair
        """Give the document called *key*; None: there is none, or it is damaged."""
        text = self._documents.get(key)
        try:
            return None if text is None else msgspec.json.decode(text)
        except ValueError as error:
            NOTE_DAMAGED.tell(_log, key, error)
            del self._documents[key]
            return None

    def put(self, key: str, document: object) -> None:
        """Keep *document* with the next commit; None: keep it no longer."""
        text = msgspec.json.encode(document).decode()
        if text == self._documents.get(key):
            return
        super().put(key, None if document is None or len(text) > _LARGEST else text)
        while sum(len(one) for one in self._documents.values()) > _MOST:
            self._documents.pop(next(iter(self._documents)))
        self._store.save(_KEY, self._documents)


def _understood(store: Store) -> dict[str, Any]:
    try:
        kept = store.saved(_KEY)
    except ValueError as error:
        kept = str(error)
    if kept is None or isinstance(kept, dict):
        return kept or {}
    NOTES_UNREADABLE.tell(_log)
    return {}
