"""What products and other parts of the gateway must remember: texts that ride along with the next commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

_HEAD = "saved/"


class Kept:
    """Texts by name, and which of them are not on disk yet."""

    def __init__(self, state: Mapping[str, str]) -> None:
        self._texts = {
            name.removeprefix(_HEAD): text for name, text in state.items() if name.startswith(_HEAD)
        }
        self._unsaved: set[str] = set()

    @property
    def dirty(self) -> bool:
        """Whether something is not on disk yet."""
        return bool(self._unsaved)

    def save(self, name: str, state: object) -> None:
        """Keep *state* with the next transaction; nothing if it is what is kept already."""
        text = msgspec.json.encode(state).decode()
        if self._texts.get(name) != text:
            self._texts[name] = text
            self._unsaved.add(name)

    def saved(self, name: str) -> Any:  # noqa: ANN401 - plain JSON values, the part's own affair
        """Give what ``save`` kept."""
        text = self._texts.get(name)
        return None if text is None else msgspec.json.decode(text)

    def take(self) -> set[str]:
        """Give the names of what a transaction is to bring to the disk."""
        taken, self._unsaved = self._unsaved, set()
        return taken

    def give_back(self, names: Iterable[str]) -> None:
        """Note that a transaction failed."""
        self._unsaved |= set(names)

    def texts(self, names: Iterable[str]) -> dict[str, str]:
        """Give what stands on disk under the names of *names*."""
        return {f"{_HEAD}{name}": self._texts[name] for name in names}
