"""How much may be sent now: a window of unanswered messages and a rate, live before backlog. Pure.

The window follows the way to the broker: it is small at first, and grows while it is what holds us up; near a
broker to twenty, far from one to a hundred. Where answers are late because what we send queues on a thin
line, it shrinks, down to one. The backlog gets at most four fifths of the rate, so that live data never queue
behind a long outage.
"""

from __future__ import annotations

from math import inf
from typing import Final

WINDOW: Final = 20
"""Unanswered messages near a broker: beyond it nothing becomes faster."""
MOST: Final = 100
"""Unanswered messages anywhere: the most that a large city's broker takes."""
_FIRST: Final = 4
_PACE: Final = MOST / 0.3  # messages a second for which the window is enough at any distance
_CALM: Final = 0.25  # seconds that answers may be later than at best while the window grows
_LATE: Final = 1.0  # later than this, our own messages queue somewhere: live ones would wait behind them
_SHRUNK: Final = 0.75
_MEMORY: Final = 300.0  # seconds for which the best round trip is believed, once or twice
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


class Nearest:
    """The shortest round trip of late: a way may become longer, and then what was shortest is forgotten."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._before = self._least = inf

    def note(self, now: float, seconds: float) -> float:
        """Take one round trip in; give the shortest."""
        if now - self._since >= _MEMORY:
            self._since, self._before, self._least = now, self._least, inf
        self._least = min(self._least, seconds)
        return min(self._before, self._least)


class Flow:
    """The window and the rate of one connection."""

    def __init__(self, rate: float, receive_maximum: int, now: float) -> None:
        self._allowed = max(1, receive_maximum)
        self._most = min(WINDOW, self._allowed)
        self._window = float(min(_FIRST, self._allowed))
        self._knee = inf  # from here on it grows slowly: above, it was too large once
        self._nearest = Nearest(now)
        self._shrinks_at = now
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

    def answered(self, now: float, seconds: float, *, full: bool) -> None:
        """Learn from a round trip; *full*: the window was what held us up."""
        best = self._nearest.note(now, seconds)
        self._most = min(self._allowed, max(WINDOW, min(MOST, round(best * _PACE))))
        self._window = min(self._window, float(self._most))
        if seconds > best + _LATE:
            if now >= self._shrinks_at:  # once a round: what is under way was sent before
                self._shrinks_at = now + seconds
                self._knee = self._window = max(1.0, self._window * _SHRUNK)
        elif full and seconds <= best + _CALM:
            more = 1.0 if self._window < self._knee else 1 / self._window
            self._window = min(float(self._most), self._window + more)

    def halve(self) -> None:
        """Send half as much: the broker said that it was too much."""
        self._knee = self._window = max(1.0, self._window / 2)
        if self._rate:
            self._pace(max(0.1, self._all.rate / 2))

    def accepted(self) -> None:
        """Let the rate grow back slowly."""
        if self._all.rate < self._rate:
            self._pace(min(self._rate, self._all.rate + _RECOVERY * self._rate))

    def _pace(self, rate: float) -> None:
        self._all.rate, self._late.rate = rate, rate * _BACKLOG
