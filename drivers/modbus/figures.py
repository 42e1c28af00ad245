"""What a link counts about itself, laid open on its desk for ``citygate status``."""

from __future__ import annotations

from typing import Final

_WEIGHT: Final = 0.1


class Figures:
    """Counters of one link; they live on the desk's dict, so they survive a restart of the link."""

    def __init__(self, figures: dict[str, float | str]) -> None:
        self._figures = figures
        for name in ("requests", "timeouts", "exceptions", "stale_dropped", "overruns"):
            figures.setdefault(name, 0)
        figures.setdefault("connected", "no")

    def connected(self, *, up: bool) -> None:
        """Note whether a connection is open."""
        self._figures["connected"] = "yes" if up else "no"

    def asked(self, dropped: int) -> None:
        """Count a request, and the frames that were dropped while it waited."""
        self._add("requests", 1)
        self._add("stale_dropped", dropped)

    def answered(self, rtt: float, code: int) -> None:
        """Note a reply after *rtt* seconds; *code* is its exception, 0 for none."""
        before = self._figures.get("rtt_ms")
        now = rtt * 1000
        self._figures["rtt_ms"] = now if not isinstance(before, float) else before + _WEIGHT * (now - before)
        if code:
            self._add("exceptions", 1)
            self._add(f"exception_{code}", 1)

    def timed_out(self) -> None:
        """Count a request that nobody answered."""
        self._add("timeouts", 1)

    def overran(self, beats: int) -> None:
        """Count polls that were due while an earlier one of the same device still ran."""
        self._add("overruns", beats)

    def silent(self, devices: list[str]) -> None:
        """Name the devices that are asked only now and then because they do not answer."""
        self._figures["silent"] = ", ".join(devices)

    def _add(self, name: str, number: int) -> None:
        before = self._figures.get(name, 0)
        self._figures[name] = number + (before if isinstance(before, int) else 0)
