"""Messages that this broker finds too large: they are set aside, so that the rest of their route goes on.

A row is never rewritten, so it cannot be split. It waits for another connection, a larger limit or the end of
its retention, when the outbox declares it as refused. Of one route only a few are set aside: beyond that the
limit itself is wrong, and the route is parked for a person to see.
"""

from __future__ import annotations

from typing import Final

from agent.core.clock import Instant
from agent.outbox.row import Row

MOST: Final = 32


class Aside:
    """The rows set aside on one connection; they stay taken, so that the outbox does not give them again."""

    def __init__(self, again: float) -> None:
        self._again = again
        self._rows: dict[int, tuple[Row, float]] = {}
        self._given_back: dict[str, float] = {}

    def add(self, row: Row, now: float) -> bool:
        """Set *row* aside; say whether there was room for it."""
        if sum(one.route == row.route for one, _ in self._rows.values()) >= MOST:
            return False
        self._rows[row.id] = (row, now)
        return True

    def due(self, now: Instant) -> list[Row]:
        """Give back what may be tried again, and what has expired and can only be declared."""
        return self._out(
            [
                row
                for row, since in self._rows.values()
                if row.expires <= now.utc or now.boot - since >= self._again
            ],
            now.boot,
        )

    def all(self, now: float) -> list[Row]:
        """Give back everything."""
        return self._out([row for row, _ in self._rows.values()], now)

    def is_over(self, row: Row) -> bool:
        """Say whether the acceptance of *row* proves that nothing of its route is set aside any more.

        What was made before the last one was given back proves nothing about that one.
        """
        if any(one.route == row.route for one, _ in self._rows.values()):
            return False
        return row.boot >= self._given_back.get(row.route, float("-inf"))

    def _out(self, rows: list[Row], now: float) -> list[Row]:
        for row in rows:
            del self._rows[row.id]
            self._given_back[row.route] = now
        return rows
