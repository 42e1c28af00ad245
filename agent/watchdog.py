"""Knows what must advance, and so when the service manager may be told that the gateway lives.

A loop that merely turns is not life: each link must emit or be tried again, the outbox must commit what
it was given. Whoever falls behind is named; nothing is fed until it advances again.
"""

from __future__ import annotations

from msgspec import Struct


class _Duty(Struct):
    last: float
    allowance: float


class Watchdog:
    """Remembers when each thing advanced last; all times are boot-time seconds."""

    def __init__(self, period: float) -> None:
        self._duties: dict[str, _Duty] = {}
        self._period = period
        self._fed = 0.0

    def beat(self, what: str, at: float, allowance: float) -> None:
        """Note that *what* advanced at *at*; it must do so again within *allowance* seconds."""
        if (duty := self._duties.get(what)) is None:
            self._duties[what] = _Duty(at, allowance)
        else:
            duty.last, duty.allowance = max(duty.last, at), allowance

    def rest(self, what: str) -> None:
        """Expect nothing more of *what*."""
        self._duties.pop(what, None)

    def overdue(self, what: str, now: float) -> float:
        """Give by how many seconds *what* has exceeded its allowance; 0: it has not."""
        duty = self._duties.get(what)
        return max(0.0, now - duty.last - duty.allowance) if duty else 0.0

    def hanging(self, now: float) -> list[str]:
        """Name all that has exceeded its allowance."""
        return [what for what in self._duties if self.overdue(what, now) > 0]

    def due(self, now: float) -> bool:
        """Say whether the manager should hear now: a feeding is near, and everything advances."""
        if not self._period or now - self._fed < self._period / 4 or self.hanging(now):
            return False
        self._fed = now
        return True
