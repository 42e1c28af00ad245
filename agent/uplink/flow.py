"""How much may be sent now: a window of unanswered messages and a rate, live before backlog. Pure.

The backlog gets at most four fifths of the rate, so that live data never queue behind a long outage.
"""

from __future__ import annotations

from typing import Final

WINDOW: Final = 20
_BACKLOG: Final = 0.8
_SHORTEST: Final = 0.001  # seconds; less may not move a clock at all
_RECOVERY: Final = 0.01  # of the full rate, regained with each accepted message after a halving


class Bucket:
    """Tokens that fill at *rate* a second, one second's worth at most; a rate of 0 never runs dry."""

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._tokens = self._most
        self._seen = now

    @property
    def _most(self) -> float:
        return max(1.0, self.rate)

    def left(self, now: float) -> float:
        """Give the tokens at *now*."""
        self._tokens = min(self._most, self._tokens + max(0.0, now - self._seen) * self.rate)
        self._seen = now
        return self._tokens if self.rate else float("inf")

    def take(self, now: float, count: int) -> None:
        """Use tokens up."""
        if self.rate:
            self._tokens = self.left(now) - count

    def wait(self, now: float) -> float:
        """Give the seconds until a whole token is there; what is too short to wait for is a millisecond."""
        missing = 1.0 - self.left(now)
        return max(_SHORTEST, missing / self.rate) if missing > 0 and self.rate else 0.0


class Flow:
    """The window and the rate of one connection."""

    def __init__(self, rate: float, receive_maximum: int, now: float) -> None:
        self._full = max(1, min(WINDOW, receive_maximum))
        self._window = float(self._full)
        self._rate = rate
        self._all = Bucket(rate, now)
        self._late = Bucket(rate * _BACKLOG, now)

    @property
    def window(self) -> int:
        """How many messages may be unanswered."""
        return max(1, int(self._window))

    @property
    def rate(self) -> float:
        """How many messages a second; 0: no cap."""
        return self._all.rate

    def room(self, now: float, flying: int) -> int:
        """Give how many messages of any kind may be sent now."""
        return max(0, int(min(self.window - flying, self._all.left(now))))

    def backlog_room(self, now: float, flying: int) -> int:
        """Give how many messages of the backlog may be sent now."""
        return max(0, int(min(self.room(now, flying), self._late.left(now))))

    def sent(self, now: float, *, backlog: bool) -> None:
        """Count a message that was sent."""
        self._all.take(now, 1)
        if backlog:
            self._late.take(now, 1)

    def wait(self, now: float) -> float:
        """Give the seconds until the rate lets both kinds through again."""
        return max(self._all.wait(now), self._late.wait(now))

    def halve(self) -> None:
        """Send half as much: the broker said that it was too much."""
        self._window = max(1.0, self._window / 2)
        if self._rate:
            self._pace(max(0.1, self._all.rate / 2))

    def accepted(self) -> None:
        """Grow back slowly: one more in the window for each window accepted."""
        if self._window < self._full:
            self._window = min(float(self._full), self._window + 1 / self._window)
        if self._all.rate < self._rate:
            self._pace(min(self._rate, self._all.rate + _RECOVERY * self._rate))

    def _pace(self, rate: float) -> None:
        self._all.rate, self._late.rate = rate, rate * _BACKLOG
