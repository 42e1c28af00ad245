"""Decides when a device that does not answer is asked again, so that it does not cost the others their turn.

Pure: it is told the time. After two silent polls in a row a device is asked after 5, 10, 20 and then every
30 seconds, briefly; every fourth of these probes waits the full timeout, for devices that are merely slow.
"""

from __future__ import annotations

from typing import Final

_FAILURES: Final = 2
_FIRST: Final = 5.0
_LONGEST: Final = 30.0
_BRIEF: Final = 0.3
_PATIENT: Final = 4


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
    def timeout(self) -> float:
        """How long to wait for it now."""
        brief = self.open and (self._failures - _FAILURES + 1) % _PATIENT
        return min(_BRIEF, self._timeout) if brief else self._timeout

    def allows(self, now: float) -> bool:
        """Say whether to ask it at *now*."""
        return not self.open or now >= self._next

    def worked(self) -> None:
        """Note that it answered, be it with an exception."""
        self._failures = 0

    def failed(self, now: float) -> None:
        """Note that it stayed silent."""
        self._failures += 1
        doublings = min(self._failures - _FAILURES, 8)
        self._next = now + min(_LONGEST, _FIRST * 2.0**doublings)
