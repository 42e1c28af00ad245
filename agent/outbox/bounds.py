"""The bytes of a body that each recipient's broker takes, as far as it has said so; known over a restart.

What is made while a broker is away must fit it when it is back: rows are never rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_PREFIX: Final = "bound/"


class Bounds:
    """What is known of brokers, by recipient."""

    def __init__(self, state: Mapping[str, str]) -> None:
        self._known = {n.removeprefix(_PREFIX): int(v) for n, v in state.items() if n.startswith(_PREFIX)}

    def of(self, recipient: str) -> int:
        """Give the most bytes; 0: any."""
        return self._known.get(recipient, 0)

    def note(self, recipient: str, most: int) -> dict[str, str]:
        """Note the most bytes; give what has to go to the disk for it."""
        if self.of(recipient) == most:
            return {}
        self._known[recipient] = most
        return {f"{_PREFIX}{recipient}": str(most)}
