"""Tells how far a search is, and how long it will still take.

Pure: it is told the time. Until enough is done to go by, it expects the worst, which it was told beforehand.
"""

from __future__ import annotations

from typing import Final

from agent.core.search import Progress

_ENOUGH: Final = 0.1


class Pace:
    """The steps of a search: ``of`` all together, each expected to take *seconds* where nobody answers."""

    def __init__(self, begun: float, seconds: float = 0.0) -> None:
        self._begun, self._expected = begun, seconds
        self.done = self.of = 0

    def expect(self, steps: int, seconds: float) -> None:
        """Add work: so many steps, which take so long at most."""
        self.of += steps
        self._expected += seconds

    def step(self, steps: int = 1) -> None:
        """Note that so many steps are done."""
        self.done = min(self.of, self.done + steps)

    def progress(self, now: float, what: str) -> Progress:
        """Say how far it is."""
        part = self.done / self.of if self.of else 0.0
        spent = now - self._begun
        left = spent * (1 - part) / part if part >= _ENOUGH else max(0.0, self._expected * (1 - part))
        return Progress(done=self.done, of=self.of, what=what, seconds_left=left)
