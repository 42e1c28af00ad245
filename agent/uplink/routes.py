"""What the broker thinks of each route, and when to try again. Pure: time is an argument.

A route in trouble is probed with one message at a time; the connection and the other routes go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from agent.uplink.reasons import TOO_LARGE, Action
from agent.uplink.timing import Timing

OK: Final = "ok"
HELD: Final = "held"
EXPIRED: Final = "expired"


class _Trouble:
    """Why a route is not simply sent."""

    def __init__(self, action: Action, word: str, delay: float, now: float) -> None:
        self.action = action
        self.word = word
        self.delay = delay
        self.due = now + delay
        self.probing = False
        self.empty = False  # nothing was there to probe with


class Routes:
    """The state of one recipient's routes."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._names: tuple[str, ...] = ()
        self._troubles: dict[str, _Trouble] = {}
        self._too_large: set[str] = set()

    def configure(self, names: Iterable[str]) -> None:
        """Know these routes; trouble with others is forgotten."""
        self._names = tuple(names)
        self._troubles = {name: one for name, one in self._troubles.items() if name in self._names}

    @property
    def names(self) -> tuple[str, ...]:
        """All routes, in the order of the plan."""
        return self._names

    def connected(self, now: float) -> None:
        """Probe at once whatever was in trouble: a new connection may have new rights."""
        for one in self._troubles.values():
            one.due, one.probing = now, False

    def blocked(self) -> frozenset[str]:
        """List the routes whose messages must not be taken freely."""
        return frozenset(self._troubles)

    def probes(self, now: float) -> list[str]:
        """List the routes of which one message may be tried now."""
        return [name for name, one in self._troubles.items() if one.due <= now and not one.probing]

    def next_probe(self) -> float | None:
        """Give the moment at which a route may be tried again."""
        waiting = (one for one in self._troubles.values() if not one.probing and not one.empty)
        return min((one.due for one in waiting), default=None)

    def probing(self, route: str) -> None:
        """Note that a probe is under way."""
        one = self._troubles[route]
        one.probing, one.empty = True, False

    def idle(self, route: str) -> None:
        """Note that there was nothing to probe with: the next message will be the probe."""
        self._troubles[route].empty = True

    def accepted(self, route: str) -> bool:
        """Note an acceptance; say whether it ended a trouble."""
        known = self._troubles.get(route)
        if known is None or (known.action is Action.SLOW and not known.probing):
            return False
        before = self.word(route)
        del self._troubles[route]
        return self.word(route) != before

    def refused(self, route: str, action: Action, reason: int, now: float) -> bool:
        """Note a message that must be sent again; say whether the route's word changed."""
        known = self._troubles.get(route)
        word = _word(action, reason)
        if known is not None and known.word == word and not known.probing:
            return False  # one of several that were under way when the first answer came
        again = known is not None and known.word == word
        first = self._first(action)
        delay = min(known.delay * 2, max(first, self._timing.hold_most)) if known and again else first
        self._troubles[route] = _Trouble(action, word, delay, now)
        return word != (known.word if known else OK)

    def words(self, expired: frozenset[str] = frozenset()) -> Mapping[str, str]:
        """Give each route's word: ok, held, refused:0xNN or expired."""
        return {name: EXPIRED if name in expired else self.word(name) for name in self._names}

    def word(self, name: str) -> str:
        """Give the word of one route, also of one that is no longer in the plan: its last words may wait."""
        if (known := self._troubles.get(name)) is not None and known.word != OK:
            return known.word
        return _word(Action.PARK, TOO_LARGE) if name in self._too_large else OK

    def too_large(self, route: str, *, some: bool) -> bool:
        """Note whether some messages of *route* are set aside; say whether its word changed."""
        before = self.word(route)
        (self._too_large.add if some else self._too_large.discard)(route)
        return self.word(route) != before

    def _first(self, action: Action) -> float:
        if action is Action.PARK:
            return self._timing.probe
        return self._timing.slow if action is Action.SLOW else self._timing.hold


def _word(action: Action, reason: int) -> str:
    if action is Action.SLOW:
        return OK
    return HELD if action is Action.HOLD else f"refused:0x{reason:02x}"
