"""How long to wait for a reply: learnt for each unit from how fast it answers.

Pure. The wait is four times the slowest of a unit's latest replies, beside the time that the bytes take on
the line; doubled with each silence in a row; never below a fifth of a second, never above the ceiling.
"""

from __future__ import annotations

from typing import Final

_TIMES: Final = 4.0
_FLOOR: Final = 0.2
_LATER: Final = 2.0  # seconds
_BEAT: Final = 0.95
_BEATS: Final = 1.45
_LATEST: Final = 64
_SLOW: Final = 4


class Slowest:
    """The slowest of the latest replies: between 64 and 128 of them."""

    def __init__(self) -> None:
        self.seconds = 0.0  # nothing has answered
        self._now = 0.0
        self._count = 0

    def add(self, seconds: float) -> None:
        """Note a reply."""
        if seconds > self._now:
            self._now = seconds
            self.seconds = max(self.seconds, seconds)
        self._count += 1
        if self._count == _LATEST:
            self.seconds, self._now, self._count = self._now, 0.0, 0


class Patience:
    """The waits of all units of a link."""

    def __init__(self, ceiling: float) -> None:
        self.ceiling = ceiling
        self._all = Slowest()
        self._units: dict[int, Slowest] = {}
        self._silences: dict[int, int] = {}
        self._late: dict[int, int] = {}

    def of(self, unit: int, line: float = 0.0) -> float:
        """Say how long to wait for *unit*, where the bytes alone take *line* seconds."""
        known = self._units.get(unit) or self._all
        if not known.seconds:
            return self.ceiling
        silences = self._silences.get(unit, 0)
        return min(self.ceiling, line + max(_FLOOR, _TIMES * known.seconds) * 2.0 ** min(silences, 8))

    def brief(self, unit: int, line: float = 0.0, floor: float = _FLOOR) -> float:
        """Say how long *unit* is worth that has been silent for long: what it, or any other, ever took."""
        known = self._units.get(unit, self._all)
        return min(self.ceiling, line + max(floor, _TIMES * max(known.seconds, self._all.seconds)))

    def late(self, every: float, *, probe: bool) -> float:
        """Say until when a reply is still taken, where that keeps nobody waiting; *probe*: by a silent unit.

        Not so long that the next reading, due after *every* seconds (0: none), could not be made up for; a
        probe ends before that one is due.
        """
        most = self.ceiling + min(self.ceiling, _LATER)
        beats = _BEAT if probe else _BEATS
        return min(most, beats * every) if every else most

    def answered(self, unit: int, seconds: float) -> None:
        """Note a reply after *seconds*, not counting the time of its bytes."""
        if unit not in self._units:
            self._units[unit] = Slowest()
        seconds = max(seconds, 0.001)
        self._units[unit].add(seconds)
        self._all.add(seconds)
        if self._silences:
            self._silences.pop(unit, None)
        if self._late:
            self._late.pop(unit, None)

    def answered_late(self, unit: int, seconds: float) -> None:
        """Note a reply that came after its turn: once, it was held up; time after time, the unit is slow."""
        count = self._late[unit] = self._late.get(unit, 0) + 1
        self._silences.pop(unit, None)
        if count >= _SLOW:
            self.answered(unit, seconds)

    def missed(self, unit: int) -> None:
        """Note that a reply did not come in time."""
        self._silences[unit] = self._silences.get(unit, 0) + 1
