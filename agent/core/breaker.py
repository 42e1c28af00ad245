"""Decides when a device that does not answer is asked again, so that it does not cost the others their turn.

Pure: it is told the time. After two silent polls in a row a device is asked after 5, 10, 20 and then every
30 seconds, briefly; every fourth of these probes waits the full timeout, for devices that are merely slow.
Then no probe comes before 75 times its predecessor's own length has passed: a dead device costs the line
less than a fiftieth of its time, however slow the line.
"""

from __future__ import annotations

from typing import Final

BRIEF: Final = 0.0
"""As a timeout: as long as the other devices of the link ever take, and no longer."""

_FAILURES: Final = 2
_FIRST: Final = 5.0
_LONGEST: Final = 30.0
_PATIENT: Final = 4
_SHARE: Final = 75.0


class Breaker:
    """The state of one device: closed (asked at each poll) or open (probed)."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._failures = 0
        self._next = 0.0

    @property
    def open(self) -> bool:
        """Whether the device counts as silent."""
        return self._failures >= _FAILURES

    @property
    def doubts(self) -> bool:
        """Whether its latest poll ended in silence."""
        return self._failures > 0

    @property
    def timeout(self) -> float | None:
        """How long to wait for it now: None is what was learnt of it, BRIEF what the others take."""
        if not self.open:
            return None
        return BRIEF if (self._failures - _FAILURES + 1) % _PATIENT else self._timeout

    def allows(self, now: float) -> bool:
        """Say whether to ask it at *now*."""
        return not self.open or now >= self._next

    def worked(self) -> None:
        """Note that it answered, be it with an exception."""
        self._failures = 0

    def failed(self, now: float, waited: float = 0.0) -> None:
        """Note that it stayed silent for *waited* seconds."""
        self._failures += 1
        pause = _FIRST * 2.0 ** min(self._failures - _FAILURES, 8)
        self._next = now + (pause if pause < _LONGEST else max(_LONGEST, _SHARE * waited))
