"""What a link counts about itself, laid open on its desk for ``citygate status``."""

from __future__ import annotations

from typing import Final

from drivers.modbus.frames import Tally

_KEPT: Final = 256  # replies that the percentiles are taken from
_EACH: Final = 16  # replies between two looks at them
_USE: Final = 30.0  # seconds that the use of the line is averaged over
_NAMED: Final = 8
_NOISY: Final = 20  # stray bytes among a hundred requests that are worth a hint

_COUNTED: Final = ("requests", "timeouts", "exceptions", "stale_dropped", "overruns")
NOISE_HINT: Final = "much noise: check termination, bias and the polarity of A and B"


class Figures:
    """Counters of one link; they live on the desk's dict, so they survive a restart of the link."""

    def __init__(self, figures: dict[str, float | str]) -> None:
        self._figures = figures
        for name in _COUNTED:
            figures.setdefault(name, 0)
        figures.setdefault("connected", "no")
        self._tally = Tally()
        self._latest: list[float] = []
        self._at = 0
        self._busy, self._since = 0.0, -1.0

    def connected(self, *, up: bool) -> None:
        """Note whether a connection is open."""
        self._figures["connected"] = "yes" if up else "no"

    def asked(self, now: float, busy: float) -> None:
        """Count a request that held the line for *busy* seconds until *now*."""
        self._add("requests", 1)
        if self._since < 0:
            self._since = now - busy
        self._busy += busy
        if (span := now - self._since) >= _USE:
            self._figures["line_use_percent"] = round(100 * self._busy / span, 1)
            self._busy, self._since = 0.0, now

    def answered(self, rtt: float, code: int) -> None:
        """Note a reply after *rtt* seconds; *code* is its exception, 0 for none."""
        if len(self._latest) < _KEPT:
            self._latest.append(rtt)
        else:
            self._latest[self._at % _KEPT] = rtt
        self._at += 1
        if self._at % _EACH == 1:
            ordered = sorted(self._latest)
            for name, part in (("rtt_ms", 0.5), ("rtt_p99_ms", 0.99)):
                self._figures[name] = round(1000 * ordered[int(part * (len(ordered) - 1))], 3)
        if code:
            self._add("exceptions", 1)
            self._add(f"exception_{code}", 1)

    def timed_out(self) -> None:
        """Count a request that nobody answered."""
        self._add("timeouts", 1)

    def late(self) -> None:
        """Count a reply that came after its turn, and was taken."""
        self._add("late_replies", 1)

    def dropped(self, tally: Tally) -> None:
        """Take over what frames have counted since the last time."""
        if tally == self._tally:
            return
        before = self._tally
        self._tally = Tally(tally.stale, tally.foreign, tally.crc_errors, tally.noise, tally.echoes)
        self._add("stale_dropped", tally.stale - before.stale)
        self._add("noise_bytes", tally.noise - before.noise)
        self._add("crc_errors", tally.crc_errors - before.crc_errors)
        self._add("foreign_frames", tally.foreign - before.foreign)
        self._add("echoes", tally.echoes - before.echoes)
        noise, requests = self._figures.get("noise_bytes", 0), self._figures["requests"]
        if isinstance(noise, int) and isinstance(requests, int):
            noisy = noise >= _NOISY and noise * 100 > _NOISY * requests
            self._figures["hint"] = NOISE_HINT if noisy else ""

    def quarantined(self) -> None:
        """Count a unit left in peace until the line was empty."""
        self._add("quarantines", 1)

    def overran(self, beats: int) -> None:
        """Count polls that were due while an earlier one of the same device still ran."""
        self._add("overruns", beats)

    def shed(self, period: float, polls: int) -> None:
        """Count polls of slower points that were left out, so that faster ones keep their beat."""
        self._add(f"shed_{period:g}s", polls)

    def overload(self, devices: list[str]) -> None:
        """Name the devices that are read less often than they should be."""
        self._figures["overload"] = ", ".join(devices)

    def silent(self, devices: list[str]) -> None:
        """Name the devices that are asked only now and then because they do not answer."""
        self._figures["silent"] = ", ".join(devices)

    def lacking(self, points: list[str], stretches: int) -> None:
        """Name the points that devices do not give, and count the stretches that no request may cover."""
        more = f" and {len(points) - _NAMED} more" if len(points) > _NAMED else ""
        self._figures["lacking"] = ", ".join(points[:_NAMED]) + more
        self._figures["learnt"] = stretches

    def planned(self, cost_ms: float, ideal_ms: float) -> None:
        """Tell what a cycle of all devices should take, and what it would if they gave every register."""
        self._figures["plan_ms"], self._figures["ideal_ms"] = round(cost_ms, 1), round(ideal_ms, 1)

    def _add(self, name: str, number: int) -> None:
        if number:
            before = self._figures.get(name, 0)
            self._figures[name] = number + (before if isinstance(before, int) else 0)
