"""Questions whose replies are late but may still come, and what those hold up.

Pure. Where replies have numbers, the turn goes on to others after a while, and a late reply is still taken
for what it is. An endpoint that answers in order makes everybody behind it late too: that time is charged to
whom it was waiting for, since that is what a question to a silent unit costs the others.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

MOST: Final = 8
"""So many may be late at once before the others are waited for as if none was."""


class Overdue(Struct, gc=False):
    """A question to ``unit``, sent at ``sent`` (boot-time seconds), and for how long it has held others up.

    ``probe``: its unit is known to be silent.
    """

    unit: int
    sent: float
    held: float
    probe: bool


class Waiting:
    """Those of one connection."""

    def __init__(self) -> None:
        self._waiting: list[Overdue] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def few(self) -> bool:
        """Whether somebody is late who should not be, and there may be more."""
        return len(self._waiting) < MOST and any(not one.probe for one in self._waiting)

    def add(self, unit: int, sent: float, held: float, *, probe: bool) -> Overdue:
        """Note a question whose turn is over after *held* seconds."""
        one = Overdue(unit, sent, held, probe)
        self._waiting.append(one)
        return one

    def end(self, one: Overdue, now: float, most: float) -> None:
        """Note that its reply has come, or will not; it is charged for those that still wait behind it.

        How long they will, nobody knows: *most* seconds are charged at least.
        """
        self._waiting.remove(one)
        if any(other.sent > one.sent for other in self._waiting):
            one.held = max(most, now - one.sent)

    def charge(self, sent: float, now: float) -> None:
        """Charge those asked before *sent* with what the late reply to that question had to wait for."""
        for one in self._waiting:
            if one.sent < sent:
                one.held = max(one.held, now - one.sent)
