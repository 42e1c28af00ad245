"""Decides when a device that does not answer is asked again, so that it does not cost the others their turn.

Pure: it is told the time. After two silent polls in a row a device is only probed: briefly, and as often as
an account allows, into which a small share of the time is paid and from which each probe takes what it held
up. Where that allows more, the pause follows how long the device has been silent, up to half a minute: what
was gone for a moment is found at once, and what is gone for good is hardly asked. Every fourth probe waits
the full timeout, for devices that are merely slow; those have an account of their own. A dead device thus
costs the others less than a fiftieth of their time, however slow the line.
"""

from __future__ import annotations

from typing import Final

BRIEF: Final = 0.0
"""As a timeout: as long as the other devices of the link ever take, and no longer."""

_FAILURES: Final = 2
_LONGEST: Final = 30.0
_PATIENT: Final = 4
_SHARE: Final = 0.014
_PATIENT_SHARE: Final = 0.004
_ALONE: Final = 0.5
_CREDIT: Final = 1.0  # seconds that probes may take before the account is looked at


class Breaker:
    """The state of one device: closed (asked at each poll) or open (probed).

    The pause between probes is *part* of its silence, *first* seconds at least. *alone*: there is nobody else
    whose turn it could take.
    """

    def __init__(self, timeout: float, *, first: float = 5.0, part: float = 1.0, alone: bool = False) -> None:
        self._timeout, self._first, self._part = timeout, first, part
        self._share, self._patient_share = (_ALONE, _ALONE) if alone else (_SHARE, _PATIENT_SHARE)
        self._failures = 0
        self._next = self._since = 0.0
        self._owed, self._paid = -_CREDIT, 0.0
        self._patient, self._patient_from = False, 0.0

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
        return self._timeout if self._patient else BRIEF

    def allows(self, now: float) -> bool:
        """Say whether to ask it at *now*."""
        return not self.open or now >= self._next

    def worked(self) -> None:
        """Note that it answered, be it with an exception."""
        if self._failures:
            self._failures, self._owed, self._patient_from = 0, -_CREDIT, 0.0

    def failed(self, now: float, waited: float = 0.0) -> None:
        """Note that it stayed silent, which held up the others for *waited* seconds until *now*."""
        if not self._failures:
            self._since = self._paid = now
        elif self.open:
            self._pay(now, waited)
        self._failures += 1
        pause = min(max(self._first, self._part * (now - self._since)), _LONGEST)
        self._next = now + max(pause, self._owed / self._share)
        self._patient = self._failures % _PATIENT == 1 and self._next >= self._patient_from

    def _pay(self, now: float, waited: float) -> None:
        if self._patient:
            self._patient_from = now + waited / self._patient_share
            return
        self._owed = max(-_CREDIT, self._owed - self._share * (now - self._paid)) + waited
        self._paid = now
