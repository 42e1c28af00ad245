"""How long a service that failed is left alone before it is started again.

Pure: it is told the time. Two things are told apart. What cost the other end something (it did not answer, or
said no, or let us in and lost us) doubles the pause each time, up to a longest one. What cost it nothing (it
refused the connection at once, or never heard of it) is tried again soon: what was away for a minute is found
within seconds, and what is away for weeks is asked as rarely as any other.
"""

from __future__ import annotations

import random
from typing import Final

from msgspec import Struct

from agent.core.errors import DriverError, GatewayError

_SHARE: Final = 0.05
_STEPS: Final = 6.0


class Restart(Struct, frozen=True, kw_only=True):
    """How patiently a failing service is started again; all spans in seconds.

    The nth pause is ``first * growth**n`` up to ``longest``, times a random factor from ``spread``. Where an
    attempt cost the other end nothing, the pause is a twentieth of its absence instead, within the same
    bounds. A run of ``settle`` seconds starts all that anew; each sixth of it that was seen to go well takes
    one step back.
    """

    first: float = 1.0
    growth: float = 2.0
    longest: float = 60.0
    spread: tuple[float, float] = (0.8, 1.2)
    settle: float = 60.0
    most_crashes: int = 5
    within: float = 600.0


LINK: Final = Restart(growth=1.5, longest=10.0)
"""For links: a device that returns is found soon; one that is off for weeks costs a try in ten seconds."""

UPLINK: Final = Restart(first=2.0, spread=(0.0, 1.0))
"""For uplinks: full jitter, since a thousand gateways may have lost the same broker."""


class BackOff:
    """The pauses of one service."""

    def __init__(self, restart: Restart, rng: random.Random) -> None:
        self._restart, self._rng = restart, rng
        self._next = restart.first
        self._away_since: float | None = None

    def after(self, failure: Exception, at: float, *, well: float) -> float:
        """Give the seconds to wait after *failure* at boot time *at*, of a run that did *well* so long."""
        restart = self._restart
        if well > 0 or self._away_since is None:
            self._away_since = at
            # a step at a time, lest what flaps be asked each second for ever
            self._next = max(restart.first, self._next / restart.growth ** (_STEPS * well / restart.settle))
        if isinstance(failure, GatewayError) and failure.cheap:
            pause = max(restart.first, _SHARE * (at - self._away_since))
        else:
            pause, self._next = self._next, min(self._next * restart.growth, restart.longest)
        delay = min(pause, restart.longest) * self._rng.uniform(*restart.spread)
        if isinstance(failure, DriverError) and failure.patience is not None:
            delay = min(delay, failure.patience)
        return delay
